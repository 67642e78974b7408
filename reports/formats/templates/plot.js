/* The plot: accuracy against a cost, drawn as SVG. */
const NAMES = { tpme: "TPME (no unit, lower is better)", time: "T, training time an epoch", total: "training time in all, cache included",
  parameters: "P, trainable parameters", memory: "M, peak training memory" };
const LONGEST = 28;
const STAR = "★ ";

/* The marks of the families, as in the pictures. */
const MARKS = {
  full: (x, y) => `<rect class="mark" x="${x - 7}" y="${y - 7}" width="14" height="14"/>`,
  embedded: (x, y) => `<path class="mark" d="M${x} ${y - 9}L${x + 8} ${y + 6}H${x - 8}Z"/>`,
  hybrid: (x, y) => `<path class="mark" d="M${x} ${y - 9}L${x + 8} ${y}L${x} ${y + 9}L${x - 8} ${y}Z"/>`,
  decoupled: (x, y) => `<circle class="mark" cx="${x}" cy="${y}" r="7.5"/>`,
  reference: (x, y) => `<path class="mark" stroke-width="3" d="M${x - 6} ${y - 6}L${x + 6} ${y + 6}M${x + 6} ${y - 6}L${x - 6} ${y + 6}"/>`,
};
const escapeText = (text) => text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
const shortened = (text) => text.length > LONGEST ? `${text.slice(0, LONGEST / 2)}…${text.slice(1 - LONGEST / 2)}` : text;
const plain = (value) => Number(value.toPrecision(3)).toLocaleString("en", { maximumSignificantDigits: 3 });

/* A cost with its unit, as the comparison's tables give it. */
function amount(number, name, value) {
  if (value === null) return "not measured";
  const [unit, scale] = data.comparisons[number].units[name];
  return `${plain(value / scale)} ${unit}`.trim();
}

function details(number, method, metric) {
  const lines = [method.label, `${metric} ${method[metric].toFixed(4)}`];
  if (method[`${metric} sd`]) lines[1] += ` ± ${method[`${metric} sd`].toFixed(4)}`;
  if (method.tpme !== null) lines.push(`TPME ${method.tpme.toFixed(3)}, rank ${method.rank}`);
  const costs = { T: "time", "in all": "total", P: "parameters", M: "memory" };
  const known = Object.entries(costs).filter(([, cost]) => method[cost] !== null);
  if (known.length) lines.push(known.map(([name, cost]) => `${name} ${amount(number, cost, method[cost])}`).join(", "));
  return lines.join("\n");
}

function ticks(low, high, log) {
  if (log) {
    const found = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
      for (const step of high / low < 300 ? [1, 2, 5] : [1]) found.push(step * 10 ** power);
    }
    const inside = found.filter((value) => value >= low && value <= high);
    if (inside.length > 1) return inside;
  }
  const raw = (high - low) / 5, base = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * base).find((value) => value >= raw);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-9; value += step) found.push(Number(value.toPrecision(12)));
  return found;
}

/* Where on the page a cost and an accuracy stand. */
function frameOf(points, log, narrow) {
  const width = narrow ? 460 : 860, height = 440, left = 80, bottom = 56, top = 14, right = 14;
  const span = (values) => [Math.min(...values), Math.max(...values)];
  let [x0, x1] = span(points.map((point) => point.cost));
  let [y0, y1] = span(points.map((point) => point.gain));
  if (log) { x0 /= 1.5; x1 *= x1 / x0 > 1.6 ? (x1 / x0) ** 0.12 : 1.5; } else { x0 = -0.06; x1 = Math.max(x1 * 1.12, 0.1); }
  const room = (y1 - y0) * 0.12 || Math.abs(y1) * 0.2 || 0.01;
  y0 = Math.max(y0 - room, Math.min(0, y0)); y1 += room;
  const scale = (value) => log ? Math.log(value / x0) / Math.log(x1 / x0) : (value - x0) / (x1 - x0);
  return { width, height, left, bottom: height - bottom, top, right: width - right, x0, x1, y0, y1, log,
    px: (value) => left + scale(value) * (width - left - right),
    py: (value) => height - bottom - (value - y0) / (y1 - y0) * (height - top - bottom) };
}

function axes(frame, across, up) {
  const { px, py, left, right, top, bottom, width, height } = frame;
  const vertical = ticks(frame.x0, frame.x1, frame.log).map((value) => `<line class="grid" x1="${px(value)}" x2="${px(value)}" y1="${top}" y2="${bottom}"/>`
    + `<text x="${px(value)}" y="${bottom + 20}" text-anchor="middle">${value.toLocaleString("en")}</text>`);
  const horizontal = ticks(frame.y0, frame.y1, false).map((value) => `<line class="grid" x1="${left}" x2="${right}" y1="${py(value)}" y2="${py(value)}"/>`
    + `<text x="${left - 8}" y="${py(value) + 5}" text-anchor="end">${value}</text>`);
  return vertical.join("") + horizontal.join("") + `<path class="axis" fill="none" d="M${left} ${top}V${bottom}H${right}"/>`
    + `<text x="${(left + width) / 2}" y="${height - 12}" text-anchor="middle">${across}</text>`
    + `<text transform="translate(15 ${height / 2 - 20}) rotate(-90)" text-anchor="middle">${up}</text>`;
}

/* The front: the most that as much can buy, so it rises in steps. `taken` takes the boxes of its lines. */
function frontPath(front, { px, py, right }, taken) {
  let path = "";
  front.forEach((point, place) => {
    const x = px(point.cost), y = py(point.gain), end = place + 1 < front.length ? px(front[place + 1].cost) : right;
    path += `${place ? "V" : `M${x} `}${y}H${end}`;
    taken.push([x, y - 1, end - x, 2]);
    if (place) { const before = py(front[place - 1].gain); taken.push([x - 1, y, 2, before - y]); }
  });
  return path && `<path class="front" d="${path}"/>`;
}

/* The bounds of the budget that the plot's axes show: beyond the line is what is too dear, or too inaccurate. */
function boundLines(number, cost, metric, frame) {
  const { budget } = state.views[number], { units, primary, reference } = data.comparisons[number];
  const { px, py, left, right, top, bottom } = frame;
  let lines = "";
  const x = budget[cost] === null || budget[cost] === undefined ? NaN : px(budget[cost] / units[cost][1]);
  if (x > left && x < right) lines += `<path class="bound" d="M${x} ${top}V${bottom}"/>`;
  const y = metric === primary && budget.loss !== null && reference !== null ? py(reference * (1 - budget.loss)) : NaN;
  if (y > top && y < bottom) lines += `<path class="bound" d="M${left} ${y}H${right}"/>`;
  return lines;
}

function drawPlot(number) {
  const holder = document.querySelector(`.plot[data-comparison="${number}"]`);
  if (!holder) return;
  const { x: cost, y: metric } = state.views[number];
  const [unit, scale] = cost === "tpme" ? ["", 1] : data.comparisons[number].units[cost];
  const points = data.comparisons[number].methods
    .filter((method) => method[cost] !== null && method[metric] !== null && (cost === "tpme" || method[cost] > 0))
    .map((method) => ({ method, cost: method[cost] / scale, gain: method[metric] }));
  if (!points.length) { holder.innerHTML = "<p>No method has both numbers.</p>"; return; }
  const log = cost !== "tpme", frame = frameOf(points, log, holder.clientWidth < 560);
  const { px, py } = frame;
  const rivals = points.filter((point) => point.method.family !== "reference");
  const dominated = (point) => point.method.family !== "reference" && rivals.some((other) => other.cost <= point.cost
    && other.gain >= point.gain && (other.cost < point.cost || other.gain > point.gain));
  const taken = points.map((point) => [px(point.cost) - 8, py(point.gain) - 8, 16, 16]);
  const front = rivals.filter((point) => !dominated(point)).sort((one, other) => one.cost - other.cost);
  let svg = axes(frame, NAMES[cost] + (unit && ` (${unit})`) + (log ? ", logarithmic" : ""), metric)
    + frontPath(front, frame, taken) + boundLines(number, cost, metric, frame);
  points.forEach((point, place) => { svg += drawPoint(number, point, place, { frame, taken, metric, dominated: dominated(point) }); });
  holder.innerHTML = `<svg viewBox="0 0 ${frame.width} ${frame.height}" role="group" aria-label="${metric} against ${NAMES[cost]}">${svg}</svg><div class="tip" hidden></div>`;
  for (const group of holder.querySelectorAll("g[data-place]")) {
    const show = () => showTip(holder, group, details(number, points[group.dataset.place].method, metric));
    group.addEventListener("pointerenter", show);
    group.addEventListener("focus", show);
    for (const event of ["pointerleave", "blur"]) group.addEventListener(event, () => { holder.querySelector(".tip").hidden = true; });
  }
}

function drawPoint(number, { method, cost, gain }, place, { frame, taken, metric, dominated }) {
  const { left, best } = state.views[number], { px, py } = frame;
  const x = px(cost), y = py(gain), sd = method[`${metric} sd`];
  const out = left !== null && method.ranked && !left.includes(method), pick = method === best;
  const label = (pick ? STAR : "") + shortened(method.label);
  const [lx, ly, anchor] = labelPlace(x, y, { width: label.length * 7.6, gap: pick ? 19 : 13 }, taken, [frame.left, frame.top, frame.right, frame.bottom]);
  const standing = [method.family === "reference" ? "reference row" : dominated ? "dominated" : "on the Pareto front", out && "beyond the budget", pick && "best within the budget"].filter(Boolean).join(", ");
  const classes = [dominated && "dominated", out && "out", pick && "pick"].filter(Boolean);
  const own = method.colour && !dominated ? ` style="color: ${method.colour}"` : "";
  return `<g class="${classes.join(" ")}"${own} tabindex="0" role="img" data-place="${place}"`
    + ` aria-label="${escapeText(`${details(number, method, metric).replaceAll("\n", ", ")}, ${standing}`)}">`
    + (sd ? `<line class="bar" x1="${x}" x2="${x}" y1="${py(gain - sd)}" y2="${py(gain + sd)}"/>` : "")
    + (pick ? `<circle class="ring" cx="${x}" cy="${y}" r="14"/>` : "")
    + `${MARKS[method.family](x, y)}<text class="label" x="${lx}" y="${ly + 5}" text-anchor="${anchor}">${escapeText(label)}</text></g>`;
}

function labelPlace(x, y, { width, gap }, taken, [left, top, right, bottom]) {
  for (let ring = 0; ring < 50; ring++) {
    for (const [side, rise] of [[1, 0], [1, -1], [1, 1], [-1, 0], [-1, -1], [-1, 1]]) {
      const lx = x + side * gap, ly = y + rise * ring * 5;
      const box = [side > 0 ? lx : lx - width, ly - 9, width, 18];
      const inside = box[0] >= left && box[0] + width <= right && box[1] >= top && box[1] + 18 <= bottom;
      const free = !taken.some((other) => box[0] < other[0] + other[2] && other[0] < box[0] + box[2]
        && box[1] < other[1] + other[3] && other[1] < box[1] + box[3]);
      if (inside && free) { taken.push(box); return [lx, ly, side > 0 ? "start" : "end"]; }
    }
  }
  return x > (left + right) / 2 ? [x - gap, y, "end"] : [x + gap, y, "start"];
}

function showTip(holder, group, text) {
  const tip = holder.querySelector(".tip"), mark = group.querySelector(".mark").getBoundingClientRect(), around = holder.getBoundingClientRect();
  tip.textContent = text;
  tip.hidden = false;
  tip.style.left = `${Math.max(0, Math.min(mark.left - around.left + 16, around.width - tip.offsetWidth))}px`;
  tip.style.top = `${Math.max(0, mark.top - around.top - tip.offsetHeight - 8)}px`;
}
