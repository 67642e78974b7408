/* Sorting and filtering: the buttons in a table's head, the search field above it. */
function sortBy(table, column, direction) {
  const body = table.tBodies[0];
  const sign = direction === "ascending" ? 1 : -1;
  const numeric = table.tHead.rows[0].cells[column].dataset.kind !== "text";
  const key = (row) => row.cells[column].dataset.value;
  const rows = [...body.rows].sort((one, other) => {
    const a = key(one), b = key(other);
    if (a === "" || b === "") return (a === "") - (b === "");
    return sign * (numeric ? Number(a) - Number(b) : a.localeCompare(b, undefined, { numeric: true }));
  });
  body.append(...rows);
  for (const head of table.tHead.rows[0].cells) head.setAttribute("aria-sort", "none");
  table.tHead.rows[0].cells[column].setAttribute("aria-sort", direction);
}

/* The best first; clicked again, the worst. */
function nextDirection(head) {
  const first = head.dataset.better === "more" ? "descending" : "ascending";
  return head.getAttribute("aria-sort") === first ? { ascending: "descending", descending: "ascending" }[first] : first;
}

function filterTable(input) {
  const table = document.getElementById(input.dataset.table);
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  let left = 0;
  for (const row of table.tBodies[0].rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
    left += !row.hidden;
  }
  input.nextElementSibling.textContent = words.length ? `${left} of ${table.tBodies[0].rows.length} rows` : "";
}

/* The main table follows the weights and the budget. */
function updateTable(number, left, best) {
  const table = document.querySelector(`table[data-live="${number}"]`);
  const methods = data.comparisons[number].methods;
  if (!table) return;
  const byLabel = Object.fromEntries(methods.map((method) => [method.label, method]));
  const scores = methods.filter((method) => method.tpme !== null).map((method) => method.tpme);
  const [first, second] = [...new Set(scores.map((value) => value.toFixed(12)))].map(Number).sort((a, b) => a - b);
  for (const row of table.tBodies[0].rows) {
    const method = byLabel[row.dataset.row];
    if (!method || !method.ranked) continue;
    row.classList.toggle("out", Boolean(left) && !left.includes(method));
    row.classList.toggle("pick", method === best);
    const star = row.querySelector(".star");
    if (method === best && !star) row.cells[0].insertAdjacentHTML("afterbegin", "<span class='star' role='img' aria-label='best within the budget'>★ </span>");
    if (method !== best && star) star.remove();
    const cell = row.querySelector("[data-key='tpme']");
    if (!cell || method.tpme === null) continue;
    cell.dataset.value = String(method.tpme);
    cell.textContent = method.tpme.toFixed(3);
    cell.classList.toggle("best", scores.length > 1 && Math.abs(method.tpme - first) < 1e-11);
    cell.classList.toggle("second", second !== undefined && Math.abs(method.tpme - second) < 1e-11);
    cell.title = `rank ${method.rank}`;
  }
  const sorted = [...table.tHead.rows[0].cells].find((head) => head.dataset.key === "tpme");
  if (sorted && sorted.getAttribute("aria-sort") !== "none") sortBy(table, sorted.cellIndex, sorted.getAttribute("aria-sort"));
}
