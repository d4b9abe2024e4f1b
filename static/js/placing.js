/* Photo and film of one person, laid over each other by their eyes. */
import { findEyes, prepare } from "./faces.js";

/** Return a copy of a shown image that may be read; another host has to allow that by CORS. */
async function readable(image) {
  if (new URL(image.currentSrc || image.src, location.href).origin === location.origin) { await image.decode(); return image; }
  const copy = new Image();
  copy.crossOrigin = "anonymous";
  copy.src = image.src;
  await copy.decode();
  return copy;
}

/** Move, turn and scale the photo in its frame so that its eyes lie where those of the poster do, which fills the frame. What
    it leaves free shows its own soft edge. Return whether both had a face. */
export async function place(root, photo, poster) {
  prepare({ detector: root.dataset.detector, mesh: root.dataset.mesh });
  const [one, other] = [await readable(photo), await readable(poster)], eyes = await findEyes(one), goal = await findEyes(other);
  root.dataset.placed = String(Boolean(eyes && goal));
  if (!eyes || !goal) return false;
  const tall = one.naturalHeight / one.naturalWidth, frame = other.naturalHeight / other.naturalWidth;   // heights in widths
  const [from, to] = [eyes.map(([x, y]) => [x, y * tall]), goal.map(([x, y]) => [x, y * frame])];
  const span = ([[x, y], [u, v]]) => [u - x, v - y], [a, b] = [span(from), span(to)];
  const scale = Math.hypot(...b) / Math.hypot(...a), turn = Math.atan2(b[1], b[0]) - Math.atan2(a[1], a[0]);
  const [x, y] = [(from[0][0] + from[1][0]) / 2 * scale, (from[0][1] + from[1][1]) / 2 * scale], cos = Math.cos(turn), sin = Math.sin(turn);
  const left = (to[0][0] + to[1][0]) / 2 - (cos * x - sin * y), top = (to[0][1] + to[1][1]) / 2 - (sin * x + cos * y);
  const edge = photo.cloneNode();
  edge.removeAttribute("data-before");
  edge.alt = "";
  edge.className = "edge";
  photo.before(edge);
  Object.assign(photo.style, {
    height: `${100 * tall / frame}%`, objectFit: "fill", transformOrigin: "0 0",
    transform: `translate(${left * 100}%, ${top / tall * 100}%) rotate(${turn}rad) scale(${scale})`,
  });
  return true;
}
