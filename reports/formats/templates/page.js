/* What the reader does: clicks, slides, typing, printing, and addresses of other views. */
each("table.sortable", (table) => {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => sortBy(table, column, nextDirection(head)));
  });
});
each("input[type='search']", (input) => input.addEventListener("input", () => filterTable(input)));
each("select[data-axis]", (select) => select.addEventListener("change", () => {
  state.views[select.dataset.comparison][select.dataset.axis] = select.value;
  refresh();
}));
each("input[data-bound]", (field) => field.addEventListener("input", () => {
  const { comparison, bound } = field.dataset, typed = readNumber(field.value);
  setBound(comparison, bound, typed === null ? null : typed * data.comparisons[comparison].units[bound][1]);
}));
each("input[data-slide]", (slide) => slide.addEventListener("input", () => {
  const { comparison, slide: name } = slide.dataset, { methods, units } = data.comparisons[comparison];
  const steps = stepsOf(methods, name), place = Number(slide.value);
  setBound(comparison, name, place >= steps.length ? null : roundedUp(steps[place], units[name][1]));
}));
each("button[data-unbound]", (button) => button.addEventListener("click", () => {
  state.views[button.dataset.unbound].budget = noBudget();
  refresh();
}));
each(".weights", (box) => {
  for (const cost of COSTS) box.querySelector(`[data-weight="${cost}"]`).addEventListener("input", () => readSliders(box));
});
each("button[data-preset]", (button) => button.addEventListener("click", () => setWeights(data.presets[button.dataset.preset] ?? data.weights)));
document.querySelector(".theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});

/* An address that names a section alone, as the links to sections do, keeps the view. */
function goTo(anchor) {
  const section = document.getElementById(anchor);
  if (!section) return;
  if (section.tagName === "DETAILS") section.open = true;
  section.scrollIntoView();
}
addEventListener("hashchange", () => {
  const text = location.hash.slice(1);
  if (text.includes("=")) restore(text); else state.anchor = text;
  goTo(state.anchor);
  refresh();
});

/* On paper every section is open. */
let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open])")];
  for (const section of closed) section.open = true;
});
addEventListener("afterprint", () => { for (const section of closed) section.open = false; });

let redraw;
addEventListener("resize", () => { clearTimeout(redraw); redraw = setTimeout(() => data.comparisons.forEach((_, number) => drawPlot(number)), 100); });
each("[data-needs-script]", (element) => { element.hidden = false; });
restore(location.hash);
refresh();
if (state.anchor) goTo(state.anchor);
