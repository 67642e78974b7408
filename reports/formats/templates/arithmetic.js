/* What the page computes: TPME as reports/analysis/tpme.py does, and what a budget leaves as reports/analysis/budget.py does. */
const data = JSON.parse(document.getElementById("data").textContent);
const COSTS = ["time", "parameters", "memory"];
const BOUNDS = ["memory", "time", "total", "loss"];
const SLACK = 1e-9;

/* Min-max over the ranked methods, weighted, summed; of so few that it says nothing there is none. */
function score(methods, weights) {
  const ranked = methods.filter((method) => method.ranked);
  if (ranked.length < data.leastRanked) {
    for (const method of methods) method.tpme = method.rank = null;
    return;
  }
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

/* Whether a method is known to keep every bound that is set; null is no bound, and what was not measured. */
function fits(method, budget) {
  return BOUNDS.every((name) => budget[name] === null
    || (method[name] !== null && method[name] <= budget[name] + SLACK * Math.abs(budget[name])));
}

/* The logarithm of the cost ratio to a method that costs 1 of each. */
function weighedCost(method, weights) {
  return COSTS.reduce((sum, cost) => sum + (weights[cost] > 0 ? weights[cost] * Math.log(method[cost]) : 0), 0);
}

/* Whether the cheapest is the best: where the loss is bounded, or nobody's accuracy is known. */
const wantsCheapest = (left, budget) => budget.loss !== null || left.every((method) => method.gain === null);

function within(methods, budget) {
  return methods.filter((method) => method.ranked && fits(method, budget));
}

function bestWithin(methods, budget, weights) {
  let left = within(methods, budget);
  const cost = (method) => weighedCost(method, weights);
  const shortfall = (method) => method.gain === null ? Infinity : -method.gain;
  for (const key of wantsCheapest(left, budget) ? [cost, shortfall] : [shortfall, cost]) {
    const least = Math.min(...left.map(key));
    left = left.filter((method) => key(method) <= least + SLACK);
  }
  return left[0] ?? null;
}
