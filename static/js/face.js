/* Where the face is, roughly, so that the first picture is lit around it. A guess in a few milliseconds, by colour alone:
   nothing is recognised, nothing is kept. The real finding happens on the server. */

const WIDTH = 48, TALLEST = 96, SURE = .12;
const SIZES = [8, 10, 12, 15, 18, 22, 26, 30];                    // widths to look for, in WIDTH of the picture

/** Skin of any shade lies in one small corner of the colour plane; how light it is says nothing. */
function isSkin(red, green, blue) {
  const light = .299 * red + .587 * green + .114 * blue;
  const cb = 128 - .169 * red - .331 * green + .5 * blue, cr = 128 + .5 * red - .419 * green - .081 * blue;
  return light > 45 && light < 250 && cb > 80 && cb < 128 && cr > 134 && cr < 172 && red > blue;
}

/** Return [x, y, width] of the most face-like patch in parts of the picture, or null when none stands out. */
export function guessFace(source, width, height) {
  const tall = Math.max(24, Math.min(TALLEST, Math.round(WIDTH * height / width))), canvas = document.createElement("canvas");
  canvas.width = WIDTH;
  canvas.height = tall;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(source, 0, 0, WIDTH, tall);
  const pixels = context.getImageData(0, 0, WIDTH, tall).data, step = WIDTH + 1, sums = new Float32Array(step * (tall + 1));
  for (let y = 0; y < tall; y++) {
    for (let x = 0, row = 0; x < WIDTH; x++) {
      const at = (y * WIDTH + x) * 4;
      row += isSkin(pixels[at], pixels[at + 1], pixels[at + 2]);
      sums[(y + 1) * step + x + 1] = sums[y * step + x + 1] + row;
    }
  }
  const count = (left, top, right, bottom) => sums[bottom * step + right] - sums[top * step + right] - sums[bottom * step + left] + sums[top * step + left];

  let best = null, most = SURE;
  for (const w of SIZES) {
    const h = Math.round(w * 1.3), margin = Math.round(w * .35);
    for (let top = 0; top + h <= tall; top++) {
      for (let left = 0; left + w <= WIDTH; left++) {
        const found = count(left, top, left + w, top + h), inside = found / (w * h);
        if (inside < .55) continue;
        const l = Math.max(0, left - margin), t = Math.max(0, top - margin), r = Math.min(WIDTH, left + w + margin), b = Math.min(tall, top + h + margin);
        const around = (count(l, t, r, b) - found) / Math.max(1, (r - l) * (b - t) - w * h);
        const x = (left + w / 2) / WIDTH, y = (top + h / 2) / tall;
        const likely = Math.exp(-(((x - .5) / .32) ** 2) - ((y - .38) / .32) ** 2);      // most selfies are taken alike
        const score = (inside - .9 * around) * likely * Math.sqrt(w / WIDTH);
        if (score > most) { most = score; best = [x, y - h / tall * .07, w / WIDTH * 1.2]; }   // skin ends where hair begins
      }
    }
  }
  return best;
}
