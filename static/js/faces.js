/* Faces in a picture, found on this device: nothing is sent, nothing is kept, nobody is recognised. The same model, squares
   and thresholds as in providers/faces/vision.py, so that what is said here is what the server would say. */
import { loadNet, run } from "./face-net.js";

const SIDE = 128, SURE = .55, TILE_SURE = .65, OVERLAP = .3, SMALL = .12, ALONE = .3, PATIENCE = 900;
const LEAST_WIDTH = 64, DARK_FACE = 20, BLACK = 24, EDGE = .05, CUT_OFF_WORTH = .3;
const OUTER_LEFT = 33, INNER_LEFT = 133, OUTER_RIGHT = 263, INNER_RIGHT = 362, MESH_SIDE = 192;
const loading = {};

/** Begin to load the models from these addresses: `detector`, and `mesh` where eyes are looked for. */
export function prepare(addresses) {
  for (const [name, address] of Object.entries(addresses)) loading[name] ??= loadNet(address).catch(() => null);
}

const anchors = (() => {
  const list = [];
  for (const [cells, each] of [[16, 2], [8, 6]])
    for (let y = 0; y < cells; y++) for (let x = 0; x < cells; x++) for (let n = 0; n < each; n++) list.push([(x + .5) / cells, (y + .5) / cells]);
  return list;
})();

const sizeOf = picture => [picture.naturalWidth || picture.width, picture.naturalHeight || picture.height];

async function inSquare(net, picture, left, top, side, least) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIDE;
  const context = canvas.getContext("2d", { willReadFrequently: true }), scale = SIDE / side, [width, height] = sizeOf(picture);
  context.imageSmoothingQuality = "high";
  context.fillRect(0, 0, SIDE, SIDE);
  context.drawImage(picture, -left * scale, -top * scale, width * scale, height * scale);
  const { data } = context.getImageData(0, 0, SIDE, SIDE), pixels = new Float32Array(SIDE * SIDE * 3);
  for (let from = 0, to = 0; from < data.length; from += 4) for (let k = 0; k < 3; k++) pixels[to++] = data[from + k] / 127.5 - 1;
  const [large, small, largeBoxes, smallBoxes] = await run(net, pixels), found = [];
  const scores = [...large, ...small], boxes = new Float32Array(largeBoxes.length + smallBoxes.length);
  boxes.set(largeBoxes);
  boxes.set(smallBoxes, largeBoxes.length);
  scores.forEach((logit, index) => {
    const score = 1 / (1 + Math.exp(-logit));
    if (score <= least) return;
    const [ax, ay] = anchors[index], raw = boxes.subarray(index * 16, index * 16 + 16);
    const w = raw[2] / SIDE * side, h = raw[3] / SIDE * side;
    const point = at => [(raw[at] / SIDE + ax) * side + left, (raw[at + 1] / SIDE + ay) * side + top], [x, y] = point(0);
    found.push({ x: x - w / 2, y: y - h / 2, width: w, height: h, score, points: [4, 6, 8, 10].map(point) });
  });
  return withoutRepeats(found);
}

function overlap(a, b) {
  const w = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x), h = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return w > 0 && h > 0 ? w * h / (a.width * a.height + b.width * b.height - w * h) : 0;
}
function withoutRepeats(faces) {
  const kept = [];
  for (const face of faces.sort((a, b) => b.score - a.score)) if (!kept.some(other => overlap(face, other) > OVERLAP)) kept.push(face);
  return kept;
}

const isWhole = (face, width, height) => face.points.every(([x, y]) => {
  const margin = EDGE * face.width;
  return x >= margin && x <= width - margin && y >= margin && y <= height - margin;
});
function prominence(face, width, height) {
  const off = Math.hypot((face.x + face.width / 2 - width / 2) / width, (face.y + face.height / 2 - height / 2) / height);
  return face.width * (1 - .6 * off) * face.score * (isWhole(face, width, height) ? 1 : CUT_OFF_WORTH);
}

/** Return the faces of a canvas or image in its own pixels, the best one for a film first; null when nobody can tell. */
export async function findFaces(picture) {
  const net = await loading.detector, begun = performance.now();
  if (!net) return null;
  const [width, height] = sizeOf(picture), side = Math.max(width, height), short = Math.min(width, height);
  let faces = await inSquare(net, picture, (width - side) / 2, (height - side) / 2, side, SURE);
  const largest = Math.max(0, ...faces.map(face => face.width)), tiles = largest < SMALL * side ? [short, short * .6] : largest < ALONE * side ? [short] : [];
  if (tiles.length) {
    for (const tile of tiles) {
      const squares = [], columns = Math.max(1, Math.ceil((width - tile) / (tile * .5)) + 1), rows = Math.max(1, Math.ceil((height - tile) / (tile * .5)) + 1);
      for (let row = 0; row < rows; row++) for (let column = 0; column < columns; column++)
        squares.push([columns > 1 ? (width - tile) * column / (columns - 1) : 0, rows > 1 ? (height - tile) * row / (rows - 1) : 0]);
      for (const [left, top] of squares) {
        if (performance.now() - begun > PATIENCE) break;
        faces = faces.concat(await inSquare(net, picture, left, top, tile, TILE_SURE));
      }
      if (largest < SMALL * side && faces.length) break;
    }
  }
  return withoutRepeats(faces).sort((a, b) => prominence(b, width, height) - prominence(a, width, height));
}

/** Return the middles of both eyes (left and right as seen) of the picture's best face, in fractions of the picture; null
    when there is none. As in vision.py's find_mesh, the second pass runs on the crop that the first one found. */
export async function findEyes(picture) {
  const faces = await findFaces(picture), net = await loading.mesh;
  if (!faces?.length || !net) return null;
  const [width, height] = sizeOf(picture), face = faces[0];
  let [left, right] = face.points, x = face.x + face.width / 2, y = face.y + face.height / 2, size = Math.max(face.width, face.height) * 1.5;
  const canvas = document.createElement("canvas"), context = canvas.getContext("2d", { willReadFrequently: true });
  canvas.width = canvas.height = MESH_SIDE;
  context.imageSmoothingQuality = "high";
  for (let pass = 0; pass < 2; pass++) {
    const roll = Math.atan2(right[1] - left[1], right[0] - left[0]), scale = MESH_SIDE / size, cos = Math.cos(roll), sin = Math.sin(roll);
    context.setTransform(1, 0, 0, 1, MESH_SIDE / 2, MESH_SIDE / 2);
    context.rotate(-roll);
    context.scale(scale, scale);
    context.translate(-x, -y);
    context.drawImage(picture, 0, 0, width, height);
    const { data } = context.getImageData(0, 0, MESH_SIDE, MESH_SIDE), pixels = new Float32Array(MESH_SIDE * MESH_SIDE * 3);
    for (let from = 0, to = 0; from < data.length; from += 4) for (let k = 0; k < 3; k++) pixels[to++] = data[from + k] / 255;
    const [mesh] = await run(net, pixels), points = [];
    let [lowX, lowY, highX, highY] = [Infinity, Infinity, -Infinity, -Infinity];
    for (let at = 0; at < mesh.length; at += 3) {
      lowX = Math.min(lowX, mesh[at]); highX = Math.max(highX, mesh[at]);
      lowY = Math.min(lowY, mesh[at + 1]); highY = Math.max(highY, mesh[at + 1]);
    }
    const place = (u, v) => {                                     // from the crop's pixels to the picture's
      const across = (u - MESH_SIDE / 2) / scale, down = (v - MESH_SIDE / 2) / scale;
      return [x + cos * across - sin * down, y + sin * across + cos * down];
    };
    for (const index of [OUTER_LEFT, INNER_LEFT, OUTER_RIGHT, INNER_RIGHT]) points.push(place(mesh[index * 3], mesh[index * 3 + 1]));
    const middle = (a, b) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
    [left, right] = [middle(points[0], points[1]), middle(points[2], points[3])];
    [x, y] = place((lowX + highX) / 2, (lowY + highY) / 2);
    size = Math.max(highX - lowX, highY - lowY) / scale * 1.5;
  }
  return [left, right].map(([across, down]) => [across / width, down / height]);
}

/** Return how light the lighter parts of a box are, 0 to 255, and whether anything can be seen in the whole picture. */
function light(picture, face) {
  const canvas = document.createElement("canvas"), [width, height] = sizeOf(picture);
  canvas.width = canvas.height = SIDE;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const read = (x, y, w, h) => {
    context.drawImage(picture, x, y, w, h, 0, 0, SIDE, SIDE);
    const { data } = context.getImageData(0, 0, SIDE, SIDE), values = [];
    for (let at = 0; at < data.length; at += 4) values.push((data[at] + data[at + 1] + data[at + 2]) / 3);
    return values.sort((a, b) => a - b);
  };
  const all = read(0, 0, width, height), isBlack = all[Math.floor(all.length * .99)] < BLACK;
  if (!face) return { isBlack, face: 255 };
  const values = read(Math.max(0, face.x), Math.max(0, face.y), face.width, face.height);
  return { isBlack, face: values[Math.floor(values.length * .9)] };
}

/** Return what the server would say of this photo, by its code, and the faces that a film could be about. An empty code is
    no objection; `null` means that nobody looked. */
export async function judge(canvas) {
  const faces = await findFaces(canvas);
  if (!faces) return null;
  const large = faces.filter(face => face.width >= LEAST_WIDTH), seen = light(canvas, large[0]);
  let code = "";
  if (seen.isBlack) code = "photo_too_dark";
  else if (!faces.length) code = "no_face";
  else if (!large.length) code = "face_too_small";
  else if (!isWhole(large[0], canvas.width, canvas.height)) code = "face_cut_off";
  else if (seen.face < DARK_FACE) code = "face_too_dark";
  return { code, faces: large.filter(face => isWhole(face, canvas.width, canvas.height)) };
}
