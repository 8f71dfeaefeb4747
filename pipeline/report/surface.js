// One surface, many maps: `surfaceData` holds the meshes, the maps and their scales.
const decode = (text, Type) => new Type(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
const SIDES = ["left", "right"];
const NO_VALUE = -32768;
// position of outlines: distance inside the region (share of an edge) and above the surface (share of the brain's length)
const INSET = 0.4, LIFT = 0.002;
const mesh = Object.fromEntries(
  SIDES.map((side) => [
    side,
    {
      faces: decode(surfaceData.faces[side], Uint16Array),
      depth: decode(surfaceData.depth[side], Uint8Array),
      shapes: Object.fromEntries(
        Object.entries(surfaceData.shapes).map(([name, parts]) => [name, decode(parts[side], Float32Array)])
      ),
      regions: Object.fromEntries(
        Object.entries(surfaceData.outlines).map(([name, atlas]) => [name, decode(atlas.labels[side], Uint16Array)])
      ),
    },
  ])
);
const choice = (name) => document.getElementById(name).value;
const css = (colour) => `rgb(${colour.map(Math.round).join(",")})`;
const column = (numbers, which) => Float32Array.from({ length: numbers.length / 3 }, (_, i) => numbers[3 * i + which]);

// labels are integers; values 16-bit steps from -limit·2 to limit·2; the smallest step is "no value"
function values(map, layer, side) {
  const steps = decode(map.layers[layer][side], Int16Array);
  const scale = map.labels ? 1 : (2 * map.limit) / 32767;
  return Float32Array.from(steps, (step) => (step === NO_VALUE ? NaN : step * scale));
}

function signed(value, limit) {
  const place = Math.min(Math.max((value / limit + 1) / 2, 0), 1);
  return surfaceData.colours.signed[Math.round(255 * place)];
}

function pair(first, second, limit, corners) {
  const [a, b] = [first, second].map((value) => Math.min(Math.max(value / limit, 0), 1));
  const weights = [(1 - a) * (1 - b), a * (1 - b), (1 - a) * b, a * b];
  return [0, 1, 2].map((c) => corners.reduce((sum, corner, i) => sum + weights[i] * corner[c], 0));
}

function colour(map, here) {
  if (map.labels) return map.labels[here[0]].colour;
  return css(map.layers.length === 2 ? pair(...here, map.limit, map.corners) : signed(here[0], map.limit));
}

function valueText(map, here) {
  if (map.labels) return map.labels[here[0]].name;
  return here.map((value, i) => (map.names ? `${map.names[i]}: ` : "") + value.toFixed(3)).join("<br>");
}

// colour and hover text of every vertex
function painted(map, side) {
  const part = mesh[side];
  const layers = map.layers.map((_, layer) => values(map, layer, side));
  const least = map.labels ? 0 : (Number(choice("threshold")) / 100) * map.limit;
  const atlas = surfaceData.outlines[choice("outlines")];
  const region = part.regions[choice("outlines")];
  return Array.from(part.depth, (depth, i) => {
    const here = layers.map((layer) => layer[i]);
    const known = !here.some(Number.isNaN);
    const shown = known && here.some((value) => Math.abs(value) >= least);
    const name = region && region[i] ? `<br>${atlas.regions[region[i]].name}` : "";
    return {
      colour: shown ? colour(map, here) : css([0, 0, 0].map(() => 225 - (depth / 255) * 90)),
      text: (known ? valueText(map, here) : "no value") + name,
    };
  });
}

function normals(points, faces) {
  const sums = new Float32Array(points.length);
  for (let f = 0; f < faces.length; f += 3) {
    const [a, b, c] = [0, 1, 2].map((k) => points.subarray(3 * faces[f + k], 3 * faces[f + k] + 3));
    const [u, v] = [b, c].map((end) => [0, 1, 2].map((k) => end[k] - a[k]));
    const cross = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
    for (let k = 0; k < 3; k++) cross.forEach((x, axis) => { sums[3 * faces[f + k] + axis] += x; });
  }
  return (i) => {
    const sum = sums.subarray(3 * i, 3 * i + 3);
    const length = Math.hypot(...sum) || 1;
    return Array.from(sum, (x) => x / length);
  };
}

function brainLength(points) {
  const y = column(points, 1);
  return y.reduce((a, b) => Math.max(a, b)) - y.reduce((a, b) => Math.min(a, b));
}

// labels are not blended: a triangle has the colour of most of its corners
function faceColours(faces, colours) {
  return Array.from({ length: faces.length / 3 }, (_, f) => {
    const [a, b, c] = [0, 1, 2].map((k) => colours[faces[3 * f + k]]);
    return b === c ? b : a;
  });
}

// {label: points with gaps} of lines just inside the edges of regions, a piece per mixed triangle
function outlines(side, name, shape) {
  const { faces, regions, shapes } = mesh[side];
  const [labels, points] = [regions[name], shapes[shape]];
  const normal = normals(points, faces);
  const lift = LIFT * brainLength(points);
  const found = {};
  for (let f = 0; f < faces.length; f += 3) {
    const corners = [faces[f], faces[f + 1], faces[f + 2]];
    for (const label of new Set(corners.map((i) => labels[i]))) {
      const members = corners.filter((i) => labels[i] === label);
      if (label === 0 || members.length === 3) continue;
      const others = corners.filter((i) => labels[i] !== label);
      const ends = members.length === 1 ? others.map((o) => [members[0], o]) : members.map((m) => [m, others[0]]);
      found[label] ??= [];
      for (const [inside, outside] of ends) {
        found[label].push(normal(inside).map((up, k) =>
          (1 - INSET) * points[3 * inside + k] + INSET * points[3 * outside + k] + lift * up));
      }
      found[label].push([null, null, null]);
    }
  }
  return found;
}

function outlineTraces(sides) {
  const name = choice("outlines");
  if (name === "") return [];
  const parts = sides.map((side) => outlines(side, name, choice("shape")));
  // regions of one colour are one entry of the legend
  const groups = {};
  for (const [label, region] of Object.entries(surfaceData.outlines[name].regions)) {
    const points = parts.flatMap((part) => part[label] ?? []);
    if (points.length) (groups[region.colour] ??= []).push({ name: region.name, points });
  }
  return Object.entries(groups).map(([colour, members]) => {
    const points = members.flatMap((member) => member.points);
    const [x, y, z] = [0, 1, 2].map((k) => points.map((point) => point[k]));
    return {
      type: "scatter3d", mode: "lines", hoverinfo: "skip", x, y, z, line: { color: colour, width: 5 },
      name: members.length === 1 ? members[0].name : `${members.length} regions`, showlegend: true,
    };
  });
}

const EYES = {
  left: [-1.3, 0, 0.1], right: [1.3, 0, 0.1], back: [0, -1.3, 0.15],
  front: [0, 1.3, 0.15], above: [0, -0.01, 1.3], below: [0, -0.01, -1.3],
};

function draw(keepCamera) {
  const map = surfaceData.maps[Number(choice("map"))];
  const sides = choice("hemisphere") === "both" ? SIDES : [choice("hemisphere")];
  const traces = sides.map((side) => {
    const part = mesh[side];
    const points = part.shapes[choice("shape")];
    const vertices = painted(map, side);
    const colours = vertices.map((vertex) => vertex.colour);
    return {
      type: "mesh3d", hoverinfo: "text", flatshading: false,
      x: column(points, 0), y: column(points, 1), z: column(points, 2),
      i: column(part.faces, 0), j: column(part.faces, 1), k: column(part.faces, 2),
      ...(map.labels ? { facecolor: faceColours(part.faces, colours) } : { vertexcolor: colours }),
      text: vertices.map((vertex) => vertex.text),
      lighting: { ambient: 0.8, diffuse: 0.35, specular: 0.02, fresnel: 0, roughness: 0.9 },
      lightposition: { x: 0, y: -1000, z: 1000 },
    };
  });
  const plot = document.getElementById("surface");
  // in narrow windows both hemispheres need a step back
  const back = Math.max(1, (1.35 * plot.clientHeight) / plot.clientWidth);
  const [x, y, z] = EYES[choice("view")].map((place) => place * back);
  const up = Math.abs(z) > 1 ? { x: 0, y: 1, z: 0 } : { x: 0, y: 0, z: 1 };
  const camera = keepCamera ? plot.layout.scene.camera : { eye: { x, y, z }, up };
  const hidden = { visible: false, showspikes: false };
  Plotly.react(plot, [...traces, ...outlineTraces(sides)], {
    margin: { l: 0, r: 0, t: 0, b: 0 }, paper_bgcolor: "white",
    showlegend: choice("outlines") !== "", legend: { orientation: "h", x: 0, y: 0, yanchor: "bottom" },
    scene: { camera, aspectmode: "data", xaxis: hidden, yaxis: hidden, zaxis: hidden },
  }, { displayModeBar: false, responsive: true });
  scale(map);
}

function scale(map) {
  const canvas = document.getElementById("scale");
  const context = canvas.getContext("2d");
  const two = map.layers.length === 2;
  const ends = document.getElementById("ends");
  canvas.hidden = Boolean(map.labels);
  document.getElementById("threshold").disabled = Boolean(map.labels);
  if (map.labels) {
    ends.replaceChildren(...Object.values(map.labels).map(({ name, colour }) => {
      const entry = document.createElement("span");
      entry.className = "label";
      entry.style.borderColor = colour;
      entry.textContent = name;
      return entry;
    }));
    document.getElementById("least").textContent = "";
    return;
  }
  canvas.width = two ? 120 : 240;
  canvas.height = two ? 120 : 14;
  for (let x = 0; x < canvas.width; x++) {
    for (let y = 0; y < (two ? canvas.height : 1); y++) {
      const across = x / (canvas.width - 1);
      context.fillStyle = two
        ? css(pair(across, 1 - y / (canvas.height - 1), 1, map.corners))
        : css(signed(2 * across - 1, 1));
      context.fillRect(x, y, 1, two ? 1 : canvas.height);
    }
  }
  ends.textContent = two
    ? `across: ${map.names[0]}, upwards: ${map.names[1]}, each from ≤ 0 to ≥ ${map.limit}; ${map.label}`
    : `from −${map.limit} to ${map.limit}; ${map.label}`;
  document.getElementById("least").textContent = `|value| ≥ ${((Number(choice("threshold")) / 100) * map.limit).toFixed(3)}`;
}

// the surrounding page has the same banners
if (window.self !== window.top) document.body.classList.add("embedded");
for (const name of ["map", "hemisphere", "shape", "outlines", "threshold"]) {
  document.getElementById(name).addEventListener("change", () => draw(true));
}
document.getElementById("view").addEventListener("change", () => draw(false));
draw(false);
