/* A small network of convolutions, run in plain JavaScript. The models are those of providers/faces/models, in the form
   that scripts/export-face-models writes and describes, so that the page and the server agree on what a face is. Each takes
   some 30 million multiplications; the thread is given back between its steps. */

function halfToFloat(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, part = bits & 1023;
  return exponent ? sign * 2 ** (exponent - 15) * (1 + part / 1024) : sign * part * 2 ** -24;
}

/** Load a model from this address; null when it cannot be had. */
export async function loadNet(address) {
  const answer = await fetch(address);
  if (!answer.ok) return null;
  const bytes = await answer.arrayBuffer(), [length] = new Uint32Array(bytes, 0, 1);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
  return { ...header, numbers: Float32Array.from(new Uint16Array(bytes, 4 + length), halfToFloat) };
}

/** Convolve each channel with its own kernel (`isDeep`), or all of them into each new one. Pictures are [rows, columns,
    channels]; what lies outside is 0, and of an odd edge the larger half lies behind. */
function convolve(input, [inRows, inColumns, depth], [rows, columns, width], kernel, numbers, at, isDeep) {
  const step = Math.max(1, Math.floor(inRows / rows)), area = kernel * kernel, out = new Float32Array(rows * columns * width);
  const before = Math.floor(Math.max(0, (rows - 1) * step + kernel - inRows) / 2), bias = at + area * depth * (isDeep ? 1 : width);
  for (let y = 0; y < rows; y++) for (let x = 0; x < columns; x++) {
    const to = (y * columns + x) * width;
    for (let k = 0; k < width; k++) out[to + k] = numbers[bias + k];
    for (let i = 0; i < kernel; i++) {
      const row = y * step + i - before;
      if (row < 0 || row >= inRows) continue;
      for (let j = 0; j < kernel; j++) {
        const column = x * step + j - before;
        if (column < 0 || column >= inColumns) continue;
        const from = (row * inColumns + column) * depth;
        if (isDeep) {
          const by = at + (i * kernel + j) * depth;
          for (let k = 0; k < depth; k++) out[to + k] += input[from + k] * numbers[by + k];
        } else for (let k = 0, by = at + (i * kernel + j) * depth; k < width; k++, by += area * depth) {
          let sum = 0;
          for (let c = 0; c < depth; c++) sum += input[from + c] * numbers[by + c];
          out[to + k] += sum;
        }
      }
    }
  }
  return out;
}

function pool(input, [, columns, depth], [rows, half]) {
  const out = new Float32Array(rows * half * depth);
  for (let y = 0; y < rows; y++) for (let x = 0; x < half; x++) for (let k = 0; k < depth; k++) {
    const from = (2 * y * columns + 2 * x) * depth + k, below = from + columns * depth;
    out[(y * half + x) * depth + k] = Math.max(input[from], input[from + depth], input[below], input[below + depth]);
  }
  return out;
}

/** More channels, which are 0. */
function pad(input, [rows, columns, depth], width) {
  const out = new Float32Array(rows * columns * width);
  for (let place = 0; place < rows * columns; place++) out.set(input.subarray(place * depth, (place + 1) * depth), place * width);
  return out;
}

const breathe = () => new Promise(resolve => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => { port1.close(); resolve(); };
  port2.postMessage(0);
});

/** Return the outputs of a model for a square of side `net.side`: a Float32Array of RGB, row by row. */
export async function run(net, pixels) {
  const made = new Map([[0, pixels]]), shapes = new Map([[0, [net.side, net.side, 3]]]), { numbers } = net;
  for (const [kind, [first, second], output, shape, kernel, at] of net.steps) {
    const input = made.get(first), from = shapes.get(first), width = shape.at(-1);
    let out = input;
    if (kind === "wide" || kind === "deep") { await breathe(); out = convolve(input, from, shape, kernel, numbers, at, kind === "deep"); }
    else if (kind === "add") out = input.map((value, index) => value + made.get(second)[index]);
    else if (kind === "relu") out = input.map(value => value > 0 ? value : 0);
    else if (kind === "prelu") out = input.map((value, index) => value > 0 ? value : value * numbers[at + index % width]);
    else if (kind === "pool") out = pool(input, from, shape);
    else if (kind === "pad") out = pad(input, from, width);
    made.set(output, out);
    shapes.set(output, shape);
  }
  return net.outputs.map(output => made.get(output));
}
