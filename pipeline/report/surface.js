// One surface, many maps: `surfaceData` holds the meshes, the maps and their scales.
const decode = (text, Type) => new Type(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
const SIDES = ["left", "right"];
const mesh = Object.fromEntries(
  SIDES.map((side) => [
    side,
    {
      faces: decode(surfaceData.faces[side], Uint16Array),
      depth: decode(surfaceData.depth[side], Uint8Array),
      shapes: Object.fromEntries(
        Object.entries(surfaceData.shapes).map(([name, parts]) => [name, decode(parts[side], Float32Array)])
      ),
      outlines: Object.fromEntries(
        Object.entries(surfaceData.outlines).map(([name, parts]) => [name, decode(parts[side], Uint8Array)])
      ),
    },
  ])
);
const choice = (name) => document.getElementById(name).value;
const css = (colour) => `rgb(${colour.map(Math.round).join(",")})`;
const column = (numbers, which) => Float32Array.from({ length: numbers.length / 3 }, (_, i) => numbers[3 * i + which]);

// 16-bit steps from -limit·2 to limit·2; the smallest step is "no value"
function values(map, layer, side) {
  const steps = decode(map.layers[layer][side], Int16Array);
  return Float32Array.from(steps, (step) => (step === -32768 ? NaN : (step / 32767) * 2 * map.limit));
}

function signed(value, limit) {
  const place = Math.min(Math.max((value / limit + 1) / 2, 0), 1);
  return surfaceData.colours.signed[Math.round(255 * place)];
}

function pair(first, second, limit) {
  const [a, b] = [first, second].map((value) => Math.min(Math.max(value / limit, 0), 1));
  const weights = [(1 - a) * (1 - b), a * (1 - b), (1 - a) * b, a * b];
  const corners = surfaceData.colours.corners;
  return [0, 1, 2].map((c) => corners.reduce((sum, corner, i) => sum + weights[i] * corner[c], 0));
}

function colours(map, side) {
  const part = mesh[side];
  const layers = map.layers.map((_, layer) => values(map, layer, side));
  const least = (Number(choice("threshold")) / 100) * map.limit;
  const edges = choice("outlines") === "" ? null : part.outlines[choice("outlines")];
  return Array.from(part.depth, (depth, i) => {
    if (edges && edges[i]) return "rgb(20,20,20)";
    const here = layers.map((layer) => layer[i]);
    const shown = !here.some(Number.isNaN) && here.some((value) => Math.abs(value) >= least);
    if (!shown) return css([0, 0, 0].map(() => 225 - (depth / 255) * 90));
    return css(map.layers.length === 2 ? pair(...here, map.limit) : signed(here[0], map.limit));
  });
}

const EYES = {
  left: [-1.5, 0, 0.1], right: [1.5, 0, 0.1], back: [0, -1.5, 0.15],
  front: [0, 1.5, 0.15], above: [0, -0.01, 1.5], below: [0, -0.01, -1.5],
};

function draw(keepCamera) {
  const map = surfaceData.maps[Number(choice("map"))];
  const sides = choice("hemisphere") === "both" ? SIDES : [choice("hemisphere")];
  const traces = sides.map((side) => {
    const part = mesh[side];
    const points = part.shapes[choice("shape")];
    return {
      type: "mesh3d", hoverinfo: "none", flatshading: false,
      x: column(points, 0), y: column(points, 1), z: column(points, 2),
      i: column(part.faces, 0), j: column(part.faces, 1), k: column(part.faces, 2),
      vertexcolor: colours(map, side),
      lighting: { ambient: 0.8, diffuse: 0.35, specular: 0.02, fresnel: 0, roughness: 0.9 },
      lightposition: { x: 0, y: -1000, z: 1000 },
    };
  });
  const plot = document.getElementById("surface");
  const [x, y, z] = EYES[choice("view")];
  const up = Math.abs(z) > 1 ? { x: 0, y: 1, z: 0 } : { x: 0, y: 0, z: 1 };
  const camera = keepCamera ? plot.layout.scene.camera : { eye: { x, y, z }, up };
  const hidden = { visible: false };
  Plotly.react(plot, traces, {
    margin: { l: 0, r: 0, t: 0, b: 0 }, showlegend: false, paper_bgcolor: "white",
    scene: { camera, aspectmode: "data", xaxis: hidden, yaxis: hidden, zaxis: hidden },
  }, { displayModeBar: false, responsive: true });
  scale(map);
}

function scale(map) {
  const canvas = document.getElementById("scale");
  const context = canvas.getContext("2d");
  const two = map.layers.length === 2;
  canvas.width = two ? 120 : 240;
  canvas.height = two ? 120 : 14;
  for (let x = 0; x < canvas.width; x++) {
    for (let y = 0; y < (two ? canvas.height : 1); y++) {
      const across = x / (canvas.width - 1);
      context.fillStyle = two
        ? css(pair(across, 1 - y / (canvas.height - 1), 1))
        : css(signed(2 * across - 1, 1));
      context.fillRect(x, y, 1, two ? 1 : canvas.height);
    }
  }
  document.getElementById("ends").textContent = two
    ? `across: ${map.names[0]}, upwards: ${map.names[1]}, each from ≤ 0 to ≥ ${map.limit}; ${map.label}`
    : `from −${map.limit} to ${map.limit}; ${map.label}`;
  document.getElementById("least").textContent = `|value| ≥ ${((Number(choice("threshold")) / 100) * map.limit).toFixed(3)}`;
}

for (const name of ["map", "hemisphere", "shape", "outlines", "threshold"]) {
  document.getElementById(name).addEventListener("change", () => draw(true));
}
document.getElementById("view").addEventListener("change", () => draw(false));
draw(false);
