/* What is shown: weights, and of each comparison a budget and the plot's axes. The address holds it, behind `#`, so that a view can be shared. */
const DEFAULT_X = "memory";
const AXES = ["tpme", "time", "total", "parameters", "memory"];
const noBudget = () => Object.fromEntries(BOUNDS.map((name) => [name, null]));
const freshView = (comparison) => ({ budget: noBudget(), x: DEFAULT_X, y: comparison.metrics[0], left: null, best: null });
const state = { weights: { ...data.weights }, views: data.comparisons.map(freshView), anchor: "" };

const each = (selector, act) => document.querySelectorAll(selector).forEach(act);
const keyOf = (name, number) => number ? `${name}.${number + 1}` : name;

/* The state as the address's fragment: `section&memory=…&x.2=…`, in bytes, seconds and shares; what is as at first is left out. */
function fragment() {
  const parts = state.anchor ? [state.anchor] : [];
  const add = (key, value) => parts.push(`${key}=${encodeURIComponent(value)}`);
  if (COSTS.some((cost) => state.weights[cost] !== data.weights[cost])) add("weights", COSTS.map((cost) => state.weights[cost]).join(","));
  state.views.forEach((view, number) => {
    for (const name of BOUNDS) if (view.budget[name] !== null) add(keyOf(name, number), view.budget[name]);
    const fresh = freshView(data.comparisons[number]);
    for (const axis of ["x", "y"]) if (view[axis] !== fresh[axis]) add(keyOf(axis, number), view[axis]);
  });
  return parts.join("&");
}

/* Takes over what a fragment says; of what cannot be read nothing is taken. */
function restore(text) {
  const parts = text.replace(/^#/, "").split("&").filter(Boolean);
  const given = new Map(parts.filter((part) => part.includes("=")).map((part) => {
    const [key, value] = part.split("=", 2);
    try { return [key, decodeURIComponent(value)]; } catch { return [key, ""]; }
  }));
  state.anchor = parts.find((part) => !part.includes("=")) ?? "";
  const weights = (given.get("weights") ?? "").split(",").map(readNumber);
  if (weights.length === 3 && weights.every((weight) => weight !== null && weight >= 0) && weights.some(Boolean)) {
    state.weights = inProportion(Object.fromEntries(COSTS.map((cost, place) => [cost, weights[place]])));
  } else {
    state.weights = { ...data.weights };
  }
  state.views.forEach((view, number) => {
    Object.assign(view, freshView(data.comparisons[number]));
    for (const name of offered(number)) view.budget[name] = readNumber(given.get(keyOf(name, number)) ?? "");
    const x = given.get(keyOf("x", number)), y = given.get(keyOf("y", number));
    if (AXES.includes(x)) view.x = x;
    if (data.comparisons[number].metrics.includes(y)) view.y = y;
  });
}

const readNumber = (text) => text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : null;
const offered = (number) => BOUNDS.filter((name) => document.getElementById(`bound-${name}-${number}`));

function inProportion(weights) {
  const total = COSTS.reduce((sum, cost) => sum + weights[cost], 0);
  return Math.abs(total - 1) < 1e-12 ? weights : Object.fromEntries(COSTS.map((cost) => [cost, weights[cost] / total]));
}

/* A share of rows and the best of them, in words, with the numbers that it was chosen by. */
function verdict(number, left, best) {
  const { budget } = state.views[number], { methods, primary, referenceName } = data.comparisons[number];
  const ranked = methods.filter((method) => method.ranked);
  const bounded = BOUNDS.some((name) => budget[name] !== null);
  if (!best) {
    const alone = BOUNDS.filter((name) => budget[name] !== null)
      .map((name) => `${ranked.filter((method) => fits(method, { ...noBudget(), [name]: budget[name] })).length} keep the bound on ${SAID[name]}`);
    return `None of ${ranked.length} methods is left: of all, ${alone.join(", ")}.`;
  }
  const count = bounded ? `${left.length} of ${ranked.length} methods ${left.length === 1 ? "is" : "are"} left.` : `No bound is set, so all ${ranked.length} methods are left.`;
  const facts = best.gain === null ? [] : [`${primary} ${best[primary].toFixed(4)}`];
  if (best.loss !== null && best.label !== referenceName) facts[0] += ` (${plain(Math.abs(best.loss) * 100)} % ${best.loss > 0 ? "worse" : "better"} than ${referenceName})`;
  for (const [name, word] of [["memory", ""], ["time", " an epoch"], ["total", " in all"]]) {
    if (best[name] !== null) facts.push(amount(number, name, best[name]) + word);
  }
  return `${count} ${wantsCheapest(left, budget) ? "Cheapest" : "Most accurate"}: ${bounded ? STAR : ""}${best.label}, ${facts.join(", ")}.`;
}
const SAID = { memory: "memory", time: "time an epoch", total: "time in all", loss: "loss" };

/* Fields and slides show the budget: a slide stands at the last method that keeps the bound, at its right end is none. */
function showBudget(number) {
  const { budget } = state.views[number], { units, methods } = data.comparisons[number];
  for (const name of offered(number)) {
    const field = document.getElementById(`bound-${name}-${number}`), slide = document.getElementById(`slide-${name}-${number}`);
    const shown = budget[name] === null ? "" : String(Number((budget[name] / units[name][1]).toPrecision(12)));
    if (field !== document.activeElement || readNumber(field.value) !== readNumber(shown)) field.value = shown;
    const steps = stepsOf(methods, name);
    slide.max = steps.length;
    slide.value = budget[name] === null ? steps.length : Math.max(0, steps.filter((value) => value <= budget[name] + SLACK * Math.abs(budget[name])).length - 1);
    slide.setAttribute("aria-valuetext", budget[name] === null ? "no bound" : amount(number, name, budget[name]));
  }
}

/* The methods' own values, each once. */
function stepsOf(methods, name) {
  const known = methods.filter((method) => method.ranked && method[name] !== null).map((method) => method[name]);
  return [...new Set(known)].sort((one, other) => one - other);
}

/* A value as a field shows it, not below the true one, so that whoever types what is read keeps the same methods. */
function roundedUp(value, scale) {
  const digits = 10 ** (3 - Math.floor(Math.log10(Math.abs(value / scale)) || 0));
  return value === 0 ? 0 : Math.ceil(value / scale * digits - 1e-9) / digits * scale;
}

function setBound(number, name, value) {
  state.views[number].budget[name] = value;
  refresh();
}

function setWeights(weights) {
  state.weights = { ...weights };
  refresh();
}

/* Any position of the three sliders is a valid choice, but all at 0: they are taken in proportion. */
function readSliders(box) {
  const values = Object.fromEntries(COSTS.map((cost) => [cost, Number(box.querySelector(`[data-weight="${cost}"]`).value)]));
  if (COSTS.every((cost) => values[cost] <= 0)) {
    box.querySelector(".weights-state").textContent = "At least one weight must be above 0; the last ones stay.";
    return;
  }
  state.weights = inProportion(values);
  refresh(box);
}

/* `moved`: the sliders that a hand is on, which stay where they are. */
function refresh(moved = null) {
  for (const box of document.querySelectorAll(".weights")) {
    for (const cost of COSTS) {
      if (box !== moved) box.querySelector(`[data-weight="${cost}"]`).value = state.weights[cost];
      box.querySelector(`[data-shown="${cost}"]`).textContent = state.weights[cost].toFixed(3);
    }
  }
  data.comparisons.forEach(({ methods }, number) => {
    const view = state.views[number];
    const bounded = BOUNDS.some((name) => view.budget[name] !== null);
    const left = within(methods, view.budget), best = bestWithin(methods, view.budget, state.weights);
    Object.assign(view, { left: bounded ? left : null, best: bounded ? best : null });
    score(methods, state.weights);
    updateTable(number, view.left, view.best);
    showBudget(number);
    each(`select[data-comparison="${number}"]`, (select) => { select.value = view[select.dataset.axis]; });
    each(`.budget-state[data-comparison="${number}"]`, (line) => { line.textContent = left.length || bounded ? verdict(number, left, best) : ""; });
    drawPlot(number);
    const lowest = methods.filter((method) => method.rank === 1).map((method) => method.label);
    each(`.weights[data-comparison="${number}"] .weights-state`, (line) => { line.textContent = lowest.length ? `Lowest TPME: ${lowest.join(", ")}` : ""; });
  });
  const wanted = fragment();
  if (wanted !== location.hash.slice(1)) history.replaceState(null, "", wanted ? `#${wanted}` : location.pathname + location.search);
}
