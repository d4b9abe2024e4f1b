/* The photo before it leaves: read, turned upright, scaled and re-encoded, so that a big file and what is hidden in it
   stay on the device. What the browser can draw is a photo, whatever it is called. What it cannot draw is sent as it is
   when its first bytes are those of a photo; the server cleans every photo anyway. */

const LONG_EDGE = 1536, QUALITY = .9;
const STARTS = [/^\xff\xd8\xff/, /^\x89PNG\r\n\x1a\n/, /^RIFF....WEBP/s, /^....ftyp(hei[cmsx]|hev[cmsx]|mif[123]|miaf|Mi[A-Z]{2}|tmap|msf1)/s];

/** Whether the file's bytes begin as a photo that the server takes; names and types are often missing or wrong. */
export async function isPhoto(file) {
  const bytes = new Uint8Array(await file.slice(0, 12).arrayBuffer()), start = String.fromCharCode(...bytes);
  return STARTS.some(known => known.test(start));
}

/* A drawing is no photo, though an image element would draw it. */
const isDrawing = async file => /^\s*(<\?xml|<!--|<!doctype|<svg)/i.test(await file.slice(0, 256).text());

async function decode(file) {
  try { return await createImageBitmap(file, { imageOrientation: "from-image" }); } catch { /* older browsers: by an element */ }
  if (await isDrawing(file)) throw new TypeError("a drawing is no photo");
  const image = new Image(), address = URL.createObjectURL(file);
  try {
    image.src = address;
    await image.decode();
    return image;
  } finally { URL.revokeObjectURL(address); }
}

/** Return a canvas with this part of a picture or video (all of it when none is named), at most 1536 px long. */
export function cut(source, part = null) {
  const { x, y, width, height } = part || { x: 0, y: 0, width: source.naturalWidth || source.width, height: source.naturalHeight || source.height };
  const scale = Math.min(1, LONG_EDGE / Math.max(width, height)), canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";                                   // JPEG has no transparency
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(source, x, y, width, height, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/** Some browsers answer canvas reads with noise to protect their users; such a copy must not be sent. */
function canvasTellsTheTruth() {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 4;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#c83264";
  context.fillRect(0, 0, 4, 4);
  const pixels = context.getImageData(0, 0, 4, 4).data;
  return pixels.every((value, index) => value === [200, 50, 100, 255][index % 4]);
}

/** Return an upright canvas of at most 1536 px, or null when this browser cannot read the file. */
export async function upright(file) {
  try {
    const source = await decode(file), canvas = cut(source);
    source.close?.();
    return canvas;
  } catch { return null; }
}

/** Return what to send: a fresh JPEG of the canvas, or the file itself when no honest copy can be made. */
export async function pack(canvas, file) {
  try {
    if (canvas && (!file || canvasTellsTheTruth())) {
      const blob = await new Promise(resolve => canvas.toBlob(resolve, "image/jpeg", QUALITY));
      if (blob) return { blob, name: "selfie.jpg" };
    }
  } catch { /* the original is as good */ }
  return file ? { blob: file, name: file.name || "selfie" } : null;
}

/** A head and shoulders for when there is no picture to show: the stage lights it like any other. */
export function silhouette() {
  const canvas = document.createElement("canvas");
  canvas.width = 540;
  canvas.height = 960;
  const context = canvas.getContext("2d"), wall = context.createLinearGradient(0, 0, 0, 960);
  wall.addColorStop(0, "#20242c");
  wall.addColorStop(1, "#14171d");
  context.fillStyle = wall;
  context.fillRect(0, 0, 540, 960);
  const skin = context.createRadialGradient(240, 300, 30, 270, 380, 420);
  skin.addColorStop(0, "#c9c3ba");
  skin.addColorStop(1, "#4b4a50");
  context.fillStyle = skin;
  context.beginPath();                                          // shoulders, neck, head
  context.moveTo(20, 960);
  context.bezierCurveTo(24, 700, 110, 650, 205, 620);
  context.bezierCurveTo(226, 606, 226, 560, 222, 520);
  context.lineTo(318, 520);
  context.bezierCurveTo(314, 560, 314, 606, 335, 620);
  context.bezierCurveTo(430, 650, 516, 700, 520, 960);
  context.fill();
  context.beginPath();
  context.ellipse(270, 390, 118, 158, 0, 0, Math.PI * 2);
  context.fill();
  canvas.dataset.face = ".5,.41,.4";
  return canvas;
}
