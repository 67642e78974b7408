"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const COSTS = ["time", "parameters", "memory"];
const UNITS = { time: ["s", 1], parameters: ["", 1], memory: ["MiB", 1048576], tpme: ["", 1] };
const NAMES = { tpme: "TPME (no unit, lower is better)", time: "T, training time (s an epoch)", parameters: "P, trainable parameters (number)",
  memory: "M, peak training memory (MiB)" };
const state = { weights: { ...data.weights } };

/* TPME as reports/tpme.py computes it: min-max over the ranked methods, weighted, summed. */
function score(methods, weights) {
  const ranked = methods.filter((method) => method.ranked);
  const range = Object.fromEntries(COSTS.map((cost) => {
    const values = ranked.map((method) => method[cost]);
    return [cost, [Math.min(...values), Math.max(...values)]];
  }));
  for (const method of methods) {
    method.tpme = method.ranked ? COSTS.reduce((sum, cost) => {
      const [low, high] = range[cost];
      return sum + weights[cost] * (high > low ? (method[cost] - low) / (high - low) : 0);
    }, 0) : null;
  }
  for (const method of ranked) {
    method.rank = 1 + ranked.filter((other) => other.tpme < method.tpme - 1e-12).length;
  }
}

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

/* The main table follows the weights. */
function updateTable(number) {
  const table = document.querySelector(`table[data-live="${number}"]`);
  const methods = data.comparisons[number].methods;
  if (!table) return;
  const byLabel = Object.fromEntries(methods.map((method) => [method.label, method]));
  const scores = methods.filter((method) => method.ranked).map((method) => method.tpme);
  const [first, second] = [...new Set(scores.map((value) => value.toFixed(12)))].map(Number).sort((a, b) => a - b);
  for (const row of table.tBodies[0].rows) {
    const method = byLabel[row.dataset.row];
    const cell = row.querySelector("[data-key='tpme']");
    if (!cell || !method || !method.ranked) continue;
    cell.dataset.value = String(method.tpme);
    cell.textContent = method.tpme.toFixed(3);
    cell.classList.toggle("best", scores.length > 1 && Math.abs(method.tpme - first) < 1e-11);
    cell.classList.toggle("second", second !== undefined && Math.abs(method.tpme - second) < 1e-11);
    cell.title = `rank ${method.rank}`;
  }
  const sorted = [...table.tHead.rows[0].cells].find((head) => head.dataset.key === "tpme");
  if (sorted && sorted.getAttribute("aria-sort") !== "none") sortBy(table, sorted.cellIndex, sorted.getAttribute("aria-sort"));
}

/* The plot: accuracy against a cost, drawn as SVG. */
function ticks(low, high, log) {
  if (log) {
    const found = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
      for (const step of high / low < 300 ? [1, 2, 5] : [1]) found.push(step * 10 ** power);
    }
    return found.filter((value) => value >= low && value <= high);
  }
  const raw = (high - low) / 5, base = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * base).find((value) => value >= raw);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-9; value += step) found.push(Number(value.toPrecision(12)));
  return found;
}

const MARKS = {
  full: (x, y) => `<rect class="mark" x="${x - 7}" y="${y - 7}" width="14" height="14"/>`,
  embedded: (x, y) => `<path class="mark" d="M${x} ${y - 9}L${x + 8} ${y + 6}H${x - 8}Z"/>`,
  decoupled: (x, y) => `<circle class="mark" cx="${x}" cy="${y}" r="7.5"/>`,
  reference: (x, y) => `<path class="mark" stroke-width="3" d="M${x - 6} ${y - 6}L${x + 6} ${y + 6}M${x + 6} ${y - 6}L${x - 6} ${y + 6}"/>`,
};
const escapeText = (text) => text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
const plain = (value) => Number(value.toPrecision(3)).toLocaleString("en", { maximumSignificantDigits: 3 });

function details(method, metric) {
  const lines = [method.label, `${metric} ${method[metric].toFixed(4)}`];
  if (method[`${metric} sd`]) lines[1] += ` ± ${method[`${metric} sd`].toFixed(4)}`;
  if (method.ranked) lines.push(`TPME ${method.tpme.toFixed(3)}, rank ${method.rank}`);
  if (method.time) lines.push(`T ${plain(method.time)} s, P ${plain(method.parameters)}, M ${plain(method.memory / 1048576)} MiB`);
  return lines.join("\n");
}

function drawPlot(number) {
  const holder = document.querySelector(`.plot[data-comparison="${number}"]`);
  if (!holder) return;
  const cost = document.querySelector(`select[data-axis="x"][data-comparison="${number}"]`).value;
  const metric = document.querySelector(`select[data-axis="y"][data-comparison="${number}"]`).value;
  const [, unit] = UNITS[cost];
  const points = data.comparisons[number].methods
    .filter((method) => method[cost] !== null && method[metric] !== null && (cost === "tpme" || method[cost] > 0))
    .map((method) => ({ method, cost: method[cost] / unit, gain: method[metric] }));
  if (!points.length) { holder.innerHTML = "<p>No method has both numbers.</p>"; return; }
  const narrow = holder.clientWidth < 560;
  const width = narrow ? 460 : 860, height = 460, left = 66, bottom = 56, top = 14, right = 14;
  const log = cost !== "tpme";
  const span = (values) => [Math.min(...values), Math.max(...values)];
  let [x0, x1] = span(points.map((point) => point.cost));
  let [y0, y1] = span(points.map((point) => point.gain));
  if (log) { x0 /= 1.5; x1 *= x1 / x0 > 1.6 ? (x1 / x0) ** 0.12 : 1.5; } else { x0 = -0.06; x1 = Math.max(x1 * 1.12, 0.1); }
  const room = (y1 - y0) * 0.12 || Math.abs(y1) * 0.2 || 0.01;
  y0 = Math.max(y0 - room, Math.min(0, y0)); y1 += room;
  const scale = (value) => log ? Math.log(value / x0) / Math.log(x1 / x0) : (value - x0) / (x1 - x0);
  const px = (value) => left + scale(value) * (width - left - right);
  const py = (value) => height - bottom - (value - y0) / (y1 - y0) * (height - top - bottom);
  const dominated = (point) => points.some((other) => other.cost <= point.cost && other.gain >= point.gain
    && (other.cost < point.cost || other.gain > point.gain));
  let svg = "";
  for (const value of ticks(x0, x1, log)) {
    svg += `<line class="grid" x1="${px(value)}" x2="${px(value)}" y1="${top}" y2="${height - bottom}"/>`
      + `<text x="${px(value)}" y="${height - bottom + 20}" text-anchor="middle">${value.toLocaleString("en")}</text>`;
  }
  for (const value of ticks(y0, y1, false)) {
    svg += `<line class="grid" x1="${left}" x2="${width - right}" y1="${py(value)}" y2="${py(value)}"/>`
      + `<text x="${left - 8}" y="${py(value) + 5}" text-anchor="end">${value}</text>`;
  }
  svg += `<path class="axis" fill="none" d="M${left} ${top}V${height - bottom}H${width - right}"/>`
    + `<text x="${(left + width) / 2}" y="${height - 12}" text-anchor="middle">${NAMES[cost]}${log ? ", logarithmic" : ""}</text>`
    + `<text transform="translate(16 ${height / 2 - 20}) rotate(-90)" text-anchor="middle">${metric} (share of users)</text>`;
  const front = points.filter((point) => !dominated(point)).sort((one, other) => one.cost - other.cost);
  svg += `<path class="front" d="M${front.map((point) => `${px(point.cost)} ${py(point.gain)}`).join("L")}"/>`;
  const taken = points.map((point) => [px(point.cost) - 8, py(point.gain) - 8, 16, 16]);
  front.slice(1).forEach((point, place) => {
    const [ax, ay, bx, by] = [px(front[place].cost), py(front[place].gain), px(point.cost), py(point.gain)];
    const steps = Math.ceil(Math.hypot(bx - ax, by - ay) / 5);
    for (let step = 0; step <= steps; step++) taken.push([ax + (bx - ax) * step / steps - 1, ay + (by - ay) * step / steps - 1, 2, 2]);
  });
  points.forEach((point, place) => {
    const x = px(point.cost), y = py(point.gain), { method } = point;
    const sd = method[`${metric} sd`];
    const bar = sd ? `<line class="bar" x1="${x}" x2="${x}" y1="${py(point.gain - sd)}" y2="${py(point.gain + sd)}"/>` : "";
    const [lx, ly, anchor] = labelPlace(x, y, method.label.length * 7.6, taken, [left, top, width - right, height - bottom]);
    svg += `<g class="${method.family} ${dominated(point) ? "dominated" : ""}" tabindex="0" role="img" data-place="${place}"`
      + ` aria-label="${escapeText(details(method, metric).replaceAll("\n", ", "))}${dominated(point) ? ", dominated" : ", on the Pareto front"}">`
      + `${bar}${MARKS[method.family](x, y)}<text class="label" x="${lx}" y="${ly + 5}" text-anchor="${anchor}">${escapeText(method.label)}</text></g>`;
  });
  holder.innerHTML = `<svg viewBox="0 0 ${width} ${height}" role="group" aria-label="${metric} against ${NAMES[cost]}">${svg}</svg><div class="tip" hidden></div>`;
  for (const group of holder.querySelectorAll("g[data-place]")) {
    const show = () => showTip(holder, group, details(points[group.dataset.place].method, metric));
    group.addEventListener("pointerenter", show);
    group.addEventListener("focus", show);
    for (const event of ["pointerleave", "blur"]) group.addEventListener(event, () => { holder.querySelector(".tip").hidden = true; });
  }
}

function labelPlace(x, y, width, taken, [left, top, right, bottom]) {
  for (let ring = 0; ring < 50; ring++) {
    for (const [side, rise] of [[1, 0], [1, -1], [1, 1], [-1, 0], [-1, -1], [-1, 1]]) {
      const lx = x + side * 13, ly = y + rise * ring * 5;
      const box = [side > 0 ? lx : lx - width, ly - 9, width, 18];
      const inside = box[0] >= left && box[0] + width <= right && box[1] >= top && box[1] + 18 <= bottom;
      const free = !taken.some((other) => box[0] < other[0] + other[2] && other[0] < box[0] + box[2]
        && box[1] < other[1] + other[3] && other[1] < box[1] + box[3]);
      if (inside && free) { taken.push(box); return [lx, ly, side > 0 ? "start" : "end"]; }
    }
  }
  return [x + 13, y, "start"];
}

function showTip(holder, group, text) {
  const tip = holder.querySelector(".tip"), mark = group.querySelector(".mark").getBoundingClientRect(), around = holder.getBoundingClientRect();
  tip.textContent = text;
  tip.hidden = false;
  tip.style.left = `${Math.max(0, Math.min(mark.left - around.left + 16, around.width - tip.offsetWidth))}px`;
  tip.style.top = `${Math.max(0, mark.top - around.top - tip.offsetHeight - 8)}px`;
}

/* Weights: three sliders, taken in proportion, so that any position is a valid choice. */
function readSliders() {
  const values = Object.fromEntries(COSTS.map((cost) => [cost, Number(document.getElementById(`weight-${cost}`).value)]));
  const total = values.time + values.parameters + values.memory;
  if (total <= 0) { document.getElementById("weights-state").textContent = "At least one weight must be above 0; the last ones stay."; return; }
  state.weights = Object.fromEntries(COSTS.map((cost) => [cost, values[cost] / total]));
  refresh();
}

function setWeights(weights) {
  for (const cost of COSTS) document.getElementById(`weight-${cost}`).value = weights[cost];
  state.weights = { ...weights };
  refresh();
}

function refresh() {
  for (const cost of COSTS) document.getElementById(`shown-${cost}`).textContent = state.weights[cost].toFixed(3);
  const winners = [];
  data.comparisons.forEach((comparison, number) => {
    score(comparison.methods, state.weights);
    updateTable(number);
    drawPlot(number);
    const best = comparison.methods.filter((method) => method.rank === 1).map((method) => method.label);
    if (best.length) winners.push(best.join(", "));
  });
  document.getElementById("weights-state").textContent = winners.length ? `Lowest TPME: ${winners.join("; ")}` : "";
}

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      sortBy(table, column, head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending");
    });
  });
}
for (const input of document.querySelectorAll("input[type='search']")) input.addEventListener("input", () => filterTable(input));
for (const select of document.querySelectorAll("select[data-axis]")) {
  select.addEventListener("change", () => drawPlot(Number(select.dataset.comparison)));
}
for (const cost of COSTS) document.getElementById(`weight-${cost}`).addEventListener("input", readSliders);
for (const button of document.querySelectorAll("button[data-preset]")) {
  button.addEventListener("click", () => setWeights(data.presets[button.dataset.preset]));
}
document.getElementById("given").addEventListener("click", () => setWeights(data.weights));
document.querySelector(".theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
let redraw;
addEventListener("resize", () => { clearTimeout(redraw); redraw = setTimeout(() => data.comparisons.forEach((_, number) => drawPlot(number)), 100); });
refresh();
