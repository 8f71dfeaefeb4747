// A subject's voxels. Files are scripts that call `receive`, as pages on disk may not read files.
const received = {};
const receive = (name, content) => { received[name] = content; };
const element = (id) => document.getElementById(id);
function decode(text, Type) {
  const plain = atob(text);
  const bytes = new Uint8Array(plain.length);
  for (let i = 0; i < plain.length; i++) bytes[i] = plain.charCodeAt(i);
  return new Type(bytes.buffer);
}
const unpack = ({ step, data }) => Float32Array.from(decode(data, Int16Array), (n) => (n === -32768 ? NaN : n * step));
const make = (tag, text = "", properties = {}) => Object.assign(document.createElement(tag), { textContent: text }, properties);
const css = (colour) => `rgb(${colour.map(Math.round).join(",")})`;
const share = (value) => Math.min(Math.max(value, 0), 1);
const hex = (text) => [1, 3, 5].map((i) => parseInt(text.slice(i, i + 2), 16));
const number = (value, digits = 3) => (Number.isNaN(value) ? "n/a" : value.toFixed(digits).replace("-", "−"));
const NO_IMAGE = 65535, ANATOMY = [200, 200, 200];
const AXES = [["y", "z", "from the left"], ["x", "z", "from behind"], ["x", "y", "from above"]];
let subject, index, cache, chosen = -1, cursor = [0, 0, 0];

function script(name) {
  const path = `${subject}/${name}`;
  return new Promise((resolve, reject) => {
    if (received[path]) return resolve(received[path]);
    document.head.append(make("script", "", {
      src: `explorer/${path}.js`,
      onload: () => resolve(received[path]),
      onerror: () => reject(new Error(`explorer/${path}.js is missing: keep the folder explorer beside this page`)),
    }));
  });
}

// a file's numbers, decoded once
async function load(name) {
  const content = await script(name);
  return (cache[name] ??= Object.fromEntries(
    Object.entries(content).map(([key, value]) => [
      key, value.step ? unpack(value) : value.variance ? Object.fromEntries(Object.entries(value).map(([k, v]) => [k, unpack(v)])) : value,
    ])
  ));
}

async function openSubject(name, voxel) {
  subject = name;
  cache = {};
  chosen = -1;
  index = await script("index");
  cache.index = {
    voxel: decode(index.voxel, Int32Array),
    best: decode(index.best, Uint8Array),
    codes: Object.fromEntries(Object.entries(index.atlases).map(([atlas, { codes }]) => [atlas, decode(codes, Uint16Array)])),
    ceiling: Object.fromEntries(Object.entries(index.ceiling).map(([key, value]) => [key, unpack(value)])),
  };
  cache.index.rows = new Map(Array.from(cache.index.voxel, (id, i) => [id, i]));
  element("subject").value = subject;
  fillChoices();
  await redraw();
  const row = cache.index.rows.get(voxel);
  if (row !== undefined) await choose(row);
  else await choose(element("list").firstChild ? Number(element("list").firstChild.dataset.row) : 0, false);
}

const option = (value, text) => make("option", text, { value });
function group(label, options) {
  const found = make("optgroup", "", { label });
  found.append(...options);
  return found;
}

function fillChoices() {
  const kept = element("map").value;
  const single = index.models.map((model, i) => [model, i]).filter(([model]) => model.single);
  element("map").replaceChildren(
    ...(single.length > 1 ? [option("best", "best model")] : []),
    option("ceiling", "noise ceiling"),
    group("test correlation", single.map(([model, i]) => option(`model:${i}`, model.name))),
    ...index.comparisons.map((one, j) => group(one.name.replaceAll("_", " "), [
      ...(one.spaces.length === 2 ? [option(`pair:${j}`, `unique to ${one.spaces[0]} and to ${one.spaces[1]}`)] : []),
      ...one.components.map((name, k) => option(`component:${j}:${k}`, meaning(name))),
    ])),
  );
  if ([...element("map").options].some((one) => one.value === kept)) element("map").value = kept;
  const view = element("view").value;
  element("view").replaceChildren(...index.views.map((name) => option(name, { flat: "flat cortex", slices: "slices" }[name])));
  if (index.views.includes(view)) element("view").value = view;
  element("view-label").hidden = index.views.length < 2;
  element("region").replaceChildren(
    option("", "all voxels"),
    ...Object.entries(index.atlases).map(([atlas, { names }]) => group(atlas, names.map((name, k) => option(`${atlas}:${k + 1}`, name)))),
  );
}

const meaning = (component) =>
  component.includes("&") ? `shared by ${component.split("&").join(" and ")}` : `unique to ${component}`;

// {values: arrays, label, colour(row)} of the chosen map
async function currentMap() {
  const [kind, ...which] = element("map").value.split(":");
  const [j, k] = which.map(Number);
  const signed = (values, limit, label) => ({
    values, label, limit,
    colour: (i) => (Number.isNaN(values[i]) ? null : explorerPage.colours.signed[Math.round(255 * share((values[i] / limit + 1) / 2))]),
  });
  if (kind === "best") {
    const colours = index.models.map((model) => hex(model.colour));
    const names = index.models.filter((model) => model.single);
    const numbers = names.map((model) => index.models.indexOf(model));
    return { values: cache.index.ceiling.noise_ceiling, label: "noise ceiling", swatches: names,
      colour: (i) => (cache.index.best[i] ? colours[numbers[cache.index.best[i] - 1]] : null) };
  }
  if (kind === "ceiling") return signed(cache.index.ceiling.noise_ceiling, index.limits.ceiling, "noise ceiling (fraction of variance)");
  if (kind === "model") return signed((await load(`model_${j}`)).r, index.limits.r, `${index.models[j].name}: test correlation r`);
  const comparison = index.comparisons[j];
  const found = await load(`comparison_${j}`);
  if (kind === "component") {
    const name = comparison.components[k];
    return signed(found[name].variance, index.limits.unique, `${meaning(name)} (test R²)`);
  }
  const parts = comparison.spaces.map((space) => found[space].variance);
  const corners = [ANATOMY.map(() => 242), ...comparison.colours.map(hex), explorerPage.colours.both];
  return {
    values: parts[0].map((value, i) => Math.max(value, parts[1][i])), label: "larger unique variance (test R²)",
    pair: comparison, corners, limit: index.limits.unique,
    colour: (i) => (Number.isNaN(parts[0][i] + parts[1][i]) ? null : mixed(corners, parts.map((part) => share(part[i] / index.limits.unique)))),
  };
}

function mixed(corners, [a, b]) {
  const weights = [(1 - a) * (1 - b), a * (1 - b), (1 - a) * b, a * b];
  return [0, 1, 2].map((c) => corners.reduce((sum, corner, i) => sum + weights[i] * corner[c], 0));
}

function inRegion() {
  const [atlas, code] = element("region").value.split(":");
  return atlas ? (i) => cache.index.codes[atlas][i] === Number(code) : () => true;
}

async function redraw() {
  const map = await currentMap();
  const inside = inRegion();
  drawLegend(map);
  drawList(map, inside);
  if (element("view").value === "flat") drawFlat(map, inside, await script("flat"));
  else if (element("view").value === "slices") drawSlices(map, inside, await script("slices"));
  else element("brain").replaceChildren(make("p", "This dataset has no picture of a brain; search for voxels below.", { className: "note" }));
}

// ---- legend and list

function drawLegend(map) {
  const legend = element("legend");
  if (map.swatches) {
    legend.replaceChildren(...map.swatches.map((model) => {
      const one = make("span", model.name, { className: "swatch" });
      one.style.borderColor = model.colour;
      return one;
    }));
    return;
  }
  const canvas = make("canvas", "", { width: map.pair ? 96 : 240, height: map.pair ? 96 : 14, ariaHidden: "true" });
  const context = canvas.getContext("2d");
  for (let x = 0; x < canvas.width; x++) {
    for (let y = 0; y < (map.pair ? canvas.height : 1); y++) {
      const across = x / (canvas.width - 1);
      context.fillStyle = css(map.pair
        ? mixed(map.corners, [across, 1 - y / (canvas.height - 1)])
        : explorerPage.colours.signed[Math.round(255 * across)]);
      context.fillRect(x, y, 1, map.pair ? 1 : canvas.height);
    }
  }
  const text = map.pair
    ? `across: unique to ${map.pair.spaces[0]}; upwards: unique to ${map.pair.spaces[1]}; each from 0 to ${map.limit} (test R²)`
    : `−${map.limit} (blue) to ${map.limit} (red): ${map.label}`;
  legend.replaceChildren(canvas, make("span", text));
}

function drawList(map, inside) {
  const rows = Array.from(map.values.keys()).filter((i) => inside(i) && !Number.isNaN(map.values[i]));
  rows.sort((a, b) => map.values[b] - map.values[a]);
  const region = element("region");
  const where = region.value ? region.options[region.selectedIndex].text : "all voxels";
  element("list-title").textContent = `Strongest of ${rows.length.toLocaleString("en")} voxels (${where}) by ${map.label.split(" (")[0]}`;
  element("list").replaceChildren(...rows.slice(0, 12).map((row) => {
    const item = make("li");
    item.dataset.row = row;
    const button = make("button", `voxel ${cache.index.voxel[row]}: ${number(map.values[row])}`, { type: "button" });
    button.addEventListener("click", () => choose(row).then(showPanel));
    item.append(button);
    return item;
  }));
}

// ---- flat cortex

const WIDTH = 1400, MARGIN = 10, NOWHERE = -1;

function drawFlat(map, inside, file) {
  const view = (cache.flat ??= flattened(file));
  const canvas = make("canvas", "", { width: WIDTH, height: view.height, id: "flat" });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "Flat map of both hemispheres, left hemisphere on the left. With the keyboard, choose a region and a voxel from the list.");
  const colours = Array.from(view.voxel, (row, v) => {
    const grey = 235 - (view.shade[v] / 255) * 70;
    const found = row >= 0 && map.colour(row);
    if (!found) return [grey, grey, grey];
    return inside(row) ? found : found.map((part) => 0.25 * part + 0.75 * grey);
  });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const pixels = context.createImageData(WIDTH, view.height);
  const atlas = element("region").value.split(":")[0] || Object.keys(index.atlases)[0];
  const label = (v) => (v < 0 || view.voxel[v] < 0 || !atlas ? 0 : cache.index.codes[atlas][view.voxel[v]]);
  const labels = Array.from(view.voxel, (_, v) => label(v));
  const labelAt = (pixel) => (view.nearest[pixel] === NOWHERE ? 0 : labels[view.nearest[pixel]]);
  view.nearest.forEach((v, pixel) => {
    if (v === NOWHERE) return;
    const here = labels[v];
    const edge = [1, 2, WIDTH, 2 * WIDTH].some((step) => labelAt(pixel + step) !== here);
    const [r, g, b] = edge ? [17, 17, 17] : colours[v];
    pixels.data[4 * pixel] = r;
    pixels.data[4 * pixel + 1] = g;
    pixels.data[4 * pixel + 2] = b;
    pixels.data[4 * pixel + 3] = 255;
  });
  context.putImageData(pixels, 0, 0);
  if (atlas) nameRegions(context, view, labels, index.atlases[atlas].names);
  const ring = make("div", "", { id: "ring", hidden: true });
  element("brain").replaceChildren(canvas, ring);
  view.mark = () => {
    const v = chosen < 0 ? -1 : view.voxel.indexOf(chosen);
    ring.hidden = v < 0;
    if (v >= 0) Object.assign(ring.style, { left: `${(100 * view.at[v][0]) / WIDTH}%`, top: `${(100 * view.at[v][1]) / view.height}%` });
  };
  view.mark();
  listen(canvas, (event) => {
    const { left, top, width } = canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - left, event.clientY - top].map((d) => Math.floor((d * WIDTH) / width));
    const v = view.nearest[y * WIDTH + x] ?? NOWHERE;
    return v === NOWHERE ? -1 : view.voxel[v];
  });
}

// the vertices, where they are in the picture, and for each pixel the nearest vertex of its triangle
function flattened(file) {
  const [points, faces] = [decode(file.points, Float32Array), decode(file.faces, Uint16Array)];
  const [low, high] = [[Infinity, Infinity], [-Infinity, -Infinity]];
  for (const v of faces) {
    for (const k of [0, 1]) {
      low[k] = Math.min(low[k], points[2 * v + k]);
      high[k] = Math.max(high[k], points[2 * v + k]);
    }
  }
  const scale = (WIDTH - 2 * MARGIN) / (high[0] - low[0]);
  const height = Math.round(scale * (high[1] - low[1])) + 2 * MARGIN;
  const at = Array.from({ length: points.length / 2 }, (_, v) => [
    MARGIN + scale * (points[2 * v] - low[0]), height - MARGIN - scale * (points[2 * v + 1] - low[1]),
  ]);
  const nearest = new Int32Array(WIDTH * height).fill(NOWHERE);
  for (let f = 0; f < faces.length; f += 3) {
    const corners = [faces[f], faces[f + 1], faces[f + 2]];
    const [[ax, ay], [bx, by], [cx, cy]] = corners.map((v) => at[v]);
    const area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay);
    for (let y = Math.ceil(Math.min(ay, by, cy)); y <= Math.max(ay, by, cy); y++) {
      for (let x = Math.ceil(Math.min(ax, bx, cx)); x <= Math.max(ax, bx, cx); x++) {
        const u = ((bx - x) * (cy - y) - (cx - x) * (by - y)) / area;
        const v = ((cx - x) * (ay - y) - (ax - x) * (cy - y)) / area;
        const w = 1 - u - v;
        if (u < 0 || v < 0 || w < 0) continue;
        nearest[y * WIDTH + x] = corners[u >= v && u >= w ? 0 : v >= w ? 1 : 2];
      }
    }
  }
  return { at, height, nearest, shade: decode(file.shade, Uint8Array), voxel: decode(file.voxel, Int32Array), used: [...new Set(faces)] };
}

// the name of each region, in each hemisphere, at the vertex next to its middle
function nameRegions(context, view, labels, names) {
  const members = {};
  for (const v of view.used) if (labels[v]) (members[`${labels[v]}:${v < labels.length / 2}`] ??= []).push(v);
  context.font = "600 24px system-ui, sans-serif";
  context.textAlign = "center";
  context.lineWidth = 5;
  context.strokeStyle = "rgba(255, 255, 255, 0.85)";
  context.fillStyle = "#111";
  for (const [key, some] of Object.entries(members)) {
    const middle = [0, 1].map((k) => some.reduce((sum, v) => sum + view.at[v][k], 0) / some.length);
    const away = (v) => (view.at[v][0] - middle[0]) ** 2 + (view.at[v][1] - middle[1]) ** 2;
    const [x, y] = view.at[some.reduce((best, v) => (away(v) < away(best) ? v : best))];
    const name = names[Number(key.split(":")[0]) - 1];
    context.strokeText(name, x, y + 8);
    context.fillText(name, x, y + 8);
  }
}

// ---- slices

function drawSlices(map, inside, file) {
  const view = (cache.slices ??= {
    ...file, where: decode(file.where, Uint16Array), background: decode(file.background, Uint8Array),
  });
  if (!view.rows) {
    view.rows = new Int32Array(view.background.length).fill(-1);
    for (let i = 0; i < view.where.length / 3; i++) view.rows[cell(view, view.where.subarray(3 * i, 3 * i + 3))] = i;
  }
  if (chosen >= 0) cursor = Array.from(view.where.subarray(3 * chosen, 3 * chosen + 3));
  const widths = view.grid.map((n, axis) => n * view.zooms[axis]);
  const canvases = AXES.map(([across, up, seen], fixed) => {
    const [u, w] = [across, up].map((name) => "xyz".indexOf(name));
    const small = make("canvas", "", { width: view.grid[u], height: view.grid[w] });
    const pixels = small.getContext("2d").createImageData(small.width, small.height);
    const position = (a, b) => { const p = [...cursor]; p[u] = a; p[w] = b; return p; };
    for (let a = 0; a < small.width; a++) {
      for (let b = 0; b < small.height; b++) {
        const here = cell(view, position(a, b));
        const row = view.rows[here];
        const grey = 255 - view.background[here] * 0.75;
        const found = row >= 0 && map.colour(row);
        const colour = !found ? [grey, grey, grey] : inside(row) ? found : found.map((part) => 0.25 * part + 0.75 * grey);
        pixels.data.set([...colour, 255], 4 * ((small.height - 1 - b) * small.width + a));
      }
    }
    small.getContext("2d").putImageData(pixels, 0, 0);
    const size = 900 / Math.max(...widths);
    const canvas = make("canvas", "", { width: Math.round(widths[u] * size), height: Math.round(widths[w] * size), tabIndex: 0, className: "slice" });
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-label", `Slice seen ${seen}, ${"xyz"[fixed]} index ${cursor[fixed]}; arrow keys move the cross`);
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(small, 0, 0, canvas.width, canvas.height);
    const step = [canvas.width / small.width, canvas.height / small.height];
    const centre = [(cursor[u] + 0.5) * step[0], canvas.height - (cursor[w] + 0.5) * step[1]];
    context.strokeStyle = "#d00";
    context.lineWidth = 2;
    context.beginPath();
    context.moveTo(centre[0], 0); context.lineTo(centre[0], canvas.height);
    context.moveTo(0, centre[1]); context.lineTo(canvas.width, centre[1]);
    context.stroke();
    if (fixed) { // left and right are visible
      context.font = "600 34px system-ui, sans-serif";
      context.fillStyle = "#111";
      context.fillText("L", 8, canvas.height - 10);
      context.fillText("R", canvas.width - 34, canvas.height - 10);
    }
    const under = (event) => {
      const { left, top, width, height } = canvas.getBoundingClientRect();
      return position(
        Math.min(Math.floor(((event.clientX - left) / width) * small.width), small.width - 1),
        small.height - 1 - Math.min(Math.floor(((event.clientY - top) / height) * small.height), small.height - 1),
      );
    };
    listen(canvas, (event) => view.rows[cell(view, under(event))], (event) => moveTo(under(event)));
    canvas.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: [u, -1], ArrowRight: [u, 1], ArrowUp: [w, 1], ArrowDown: [w, -1] }[event.key];
      if (!move) return;
      event.preventDefault();
      const next = [...cursor];
      next[move[0]] = Math.min(Math.max(next[move[0]] + move[1], 0), view.grid[move[0]] - 1);
      moveTo(next, fixed);
    });
    return canvas;
  });
  const frame = make("div", "", { className: "slices" });
  frame.append(...canvases);
  element("brain").replaceChildren(frame);
}

const cell = (view, [x, y, z]) => (x * view.grid[1] + y) * view.grid[2] + z;

async function moveTo(position, focused = -1) {
  cursor = position;
  const row = cache.slices.rows[cell(cache.slices, position)];
  if (row >= 0) await choose(row);
  else {
    chosen = -1;
    await redraw();
    element("panel").replaceChildren(make("p", "This place was not modelled: it lies outside the voxels of the study."));
  }
  if (focused >= 0) document.querySelectorAll(".slice")[focused].focus();
}

function listen(canvas, rowAt, outside = () => {}) {
  canvas.addEventListener("mousemove", (event) => {
    const row = rowAt(event);
    element("pointed").textContent = row >= 0 ? `voxel ${cache.index.voxel[row]}${regionNames(row).map((name) => `, ${name}`).join("")}` : "";
    canvas.style.cursor = row >= 0 ? "pointer" : "default";
  });
  canvas.addEventListener("click", (event) => {
    const row = rowAt(event);
    if (row >= 0) choose(row).then(showPanel);
    else outside(event);
  });
}

// in narrow windows the panel lies below the map
function showPanel() {
  const panel = element("panel");
  if (panel.getBoundingClientRect().top > window.innerHeight - 80) panel.scrollIntoView();
}

// ---- the chosen voxel

const regionNames = (row) => Object.entries(index.atlases)
  .filter(([atlas]) => cache.index.codes[atlas][row])
  .map(([atlas, { names }]) => `${names[cache.index.codes[atlas][row] - 1]} (${atlas})`);

function placeText(row) {
  const { indices, right, vertex } = index.place;
  if (indices) return `indices (${Array.from(decode(indices, Uint16Array).subarray(3 * row, 3 * row + 3)).join(", ")})`;
  return `vertex ${decode(vertex, Int32Array)[row]} of the ${decode(right, Uint8Array)[row] ? "right" : "left"} hemisphere`;
}

async function choose(row, remember = true) {
  chosen = row;
  if (remember) history.replaceState(null, "", `#${subject}/${cache.index.voxel[row]}`);
  if (element("view").value === "slices") await redraw();
  else cache.flat?.mark?.();
  const models = await Promise.all(index.models.map(async (model, i) => [model, await load(`model_${i}`)]));
  const comparisons = await Promise.all(index.comparisons.map(async (one, j) => [one, await load(`comparison_${j}`)]));
  const images = await script("images");
  if (chosen !== row) return; // another was chosen meanwhile
  element("panel").replaceChildren(
    make("h2", `Voxel ${cache.index.voxel[row]} of ${subject}`, { id: "voxel" }),
    make("p", `${regionNames(row).join("; ") || "in no region of the study's atlases"}; ${placeText(row)}.`),
    make("p", ceilingText(row)),
    make("h3", "How well each model predicts it"),
    rowsTable("model", "test correlation r", models.map(([model, found]) => ({
      name: model.name.replaceAll("+", " + "), colour: model.colour, single: model.single, value: found.r[row], q: found.q[row],
      low: found.r_lower[row], high: found.r_upper[row], more: `R² ${number(found.r2[row])}`,
    })).sort((a, b) => b.single - a.single || b.value - a.value), [-0.2, 1], Math.sqrt(Math.max(cache.index.ceiling.noise_ceiling[row], 0))),
    ...folded(comparisons.map(([one, found]) => [
      make("h3", `What is unique and what is shared: ${one.spaces.join(", ")}`),
      rowsTable("part", "variance (test R²)", one.components.map((name) => ({
        name: meaning(name), colour: one.colours[one.spaces.indexOf(name)] ?? "#777777", single: true,
        value: found[name].variance[row], low: found[name].variance_lower[row], high: found[name].variance_upper[row], q: found[name].q[row],
      })), extent(one.components.map((name) => found[name]), row), NaN),
    ])),
    ...imageRows(images, row),
  );
}

// the first comparison, and the others behind a line to click
function folded([first = [], ...others]) {
  if (others.length === 0) return first;
  const rest = make("details");
  rest.append(make("summary", `${others.length} more comparison${others.length > 1 ? "s" : ""}`), ...others.flat());
  return [...first, rest];
}

function ceilingText(row) {
  const { noise_ceiling: ceiling, noise_ceiling_error: error } = cache.index.ceiling;
  if (Number.isNaN(ceiling[row])) return "Its noise ceiling is not known.";
  if (ceiling[row] <= 0) return `Its noise ceiling is ${number(ceiling[row], 2)}: its responses to the test images are no more alike than noise, so no model can be judged here.`;
  return `Noise ceiling ${number(ceiling[row], 2)} ± ${number(error[row], 2)}: ${Math.round(100 * ceiling[row])} % of the variance of its responses to the test images can be explained; the highest correlation to expect is ${number(Math.sqrt(ceiling[row]), 2)}.`;
}

function extent(parts, row) {
  const ends = parts.flatMap((part) => [part.variance_lower[row], part.variance_upper[row], part.variance[row]]).filter((x) => !Number.isNaN(x));
  return [Math.min(-0.02, ...ends), Math.max(0.05, ...ends)];
}

// a row per model or part: name, dot with interval, numbers
function rowsTable(what, measure, rows, [low, high], ceiling) {
  const table = make("table", "", { className: "scores" });
  const head = make("tr");
  head.append(...[what, "", `${measure} (${explorerPage.level} interval)`, "q"].map((text) => make(text ? "th" : "td", text, text ? { scope: "col" } : {})));
  table.append(head);
  const at = (value) => 100 * share((value - low) / (high - low));
  for (const one of rows) {
    const line = make("tr");
    const name = make("th", one.name, { scope: "row" });
    name.style.borderLeft = `0.5rem solid ${one.colour}`;
    const plot = make("td", "", { className: "dot", ariaHidden: "true" });
    const add = (className, left, width, colour) => {
      const mark = make("i", "", { className });
      Object.assign(mark.style, { left: `${left}%`, width: width === null ? "" : `${width}%`, background: colour });
      plot.append(mark);
    };
    if (!Number.isNaN(ceiling)) add("ceiling", at(0), at(ceiling) - at(0), "");
    add("zero", at(0), null, "");
    if (!Number.isNaN(one.value)) {
      if (!Number.isNaN(one.low)) add("interval", at(one.low), Math.max(at(one.high) - at(one.low), 0.5), one.colour);
      add("point", at(one.value), null, one.colour);
    }
    const interval = Number.isNaN(one.low) ? "" : ` (${number(one.low)} to ${number(one.high)})`;
    const numbers = make("td", "", { title: one.more ?? "" });
    numbers.append(make("b", number(one.value)), interval);
    line.append(name, plot, numbers, make("td", Number.isNaN(one.q) ? "n/a" : one.q < 0.001 ? "< 0.001" : number(one.q)));
    table.append(line);
  }
  const frame = make("div", "", { className: "scroll" });
  frame.tabIndex = 0;
  frame.setAttribute("role", "group");
  frame.setAttribute("aria-label", measure);
  frame.append(table);
  return frame;
}

function imageRows(images, row) {
  const decoded = (cache.images ??= { id: decode(images.id, Int32Array), shown: decode(images.shown, Uint16Array), responses: unpack(images.responses) });
  const width = decoded.shown.length / cache.index.voxel.length;
  const shown = Array.from({ length: width }, (_, k) => [decoded.shown[row * width + k], decoded.responses[row * width + k]]);
  if (shown.some(([image]) => image === NO_IMAGE)) return [make("p", "Too few test images have responses to show which drive it.", { className: "note" })];
  const list = (title, some) => {
    const all = make("ul", "", { className: "thumbnails" });
    all.append(...some.map(([image, response]) => thumbnail(images, decoded.id[image], image, response)));
    return [make("h3", title), all];
  };
  return [
    ...list("Test images with its highest responses", shown.slice(0, images.highest)),
    ...list("Test images with its lowest responses", shown.slice(images.highest)),
    make("p", "Measured responses, mean over the presentations of each image. The response of one voxel is noisy: the lower the ceiling, the more of this order is chance.", { className: "note" }),
  ];
}

function thumbnail(images, id, position, response) {
  const item = make("li");
  const caption = images.captions[position] ?? `image ${id}`;
  if (images.sheets.length) {
    const picture = make("span", "", { className: "thumbnail", title: caption });
    const [sheet, place] = [Math.floor(position / images.per_sheet), position % images.per_sheet];
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", caption);
    Object.assign(picture.style, {
      width: `${images.size}px`, height: `${images.size}px`,
      backgroundImage: `url("explorer/${subject}/${images.sheets[sheet]}")`,
      backgroundPosition: `-${(place % images.per_row) * images.size}px -${Math.floor(place / images.per_row) * images.size}px`,
    });
    item.append(picture);
  } else item.append(make("span", caption));
  item.append(make("small", number(response, 2)));
  return item;
}

// ---- controls

function search(text) {
  const numbers = text.match(/\d+/g)?.map(Number) ?? [];
  if (numbers.length === 1) return cache.index.rows.get(numbers[0]);
  if (numbers.length === 3 && index.place.indices) {
    const places = decode(index.place.indices, Uint16Array);
    const row = cache.index.voxel.findIndex((_, i) => numbers.every((n, k) => places[3 * i + k] === n));
    return row < 0 ? undefined : row;
  }
  return undefined;
}

element("search").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = element("query").value.trim();
  // a region's name is a search too
  const region = [...element("region").options].find((one) => one.value && one.text.toLowerCase() === text.toLowerCase());
  const row = region ? undefined : search(text);
  element("missing").textContent = region || row !== undefined ? "" : `“${text}” is no modelled voxel or region`;
  if (region) { element("region").value = region.value; redraw(); }
  if (row !== undefined) choose(row).then(showPanel);
});
for (const id of ["map", "view", "region"]) element(id).addEventListener("change", redraw);
element("subject").addEventListener("change", () => openSubject(element("subject").value));
const [asked, voxel] = decodeURIComponent(location.hash.slice(1)).split("/");
openSubject(explorerPage.subjects.includes(asked) ? asked : explorerPage.subjects[0], Number(voxel))
  .catch((error) => element("panel").replaceChildren(make("p", error.message)));
