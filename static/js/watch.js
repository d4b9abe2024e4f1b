/* A film on its screen. While it is watched on a phone held upright it takes the whole screen, and words and controls have
   gone; a tap, a key or the mouse brings them back, beside the film and never on it. Its own edge follows it behind. */
import { calm, frugal } from "./app.js";

const EDGE = { width: 18, height: 32, every: 120 };               // pixels, milliseconds

/** Give the screen the shape of its film, and let the edge behind (an image of the poster) follow what plays. */
export function mountScreen(root, screen, video) {
  const shape = () => { if (video.videoWidth) root.style.setProperty("--shape", String(video.videoWidth / video.videoHeight)); };
  video.addEventListener("loadedmetadata", shape);
  shape();
  const edge = root.querySelector("[data-edge]");
  if (edge && !frugal) followEdge(video, edge);
  return { watch: isOn => watch(root, screen, isOn) };
}

function followEdge(video, edge) {
  const canvas = document.createElement("canvas"), context = canvas.getContext("2d");
  canvas.className = "edge";
  canvas.width = EDGE.width;
  canvas.height = EDGE.height;
  canvas.setAttribute("aria-hidden", "true");
  let drawn = 0;
  const draw = () => {
    const now = performance.now();
    if (now - drawn >= EDGE.every && video.readyState >= 2) {
      if (!drawn) edge.after(canvas);
      drawn = now;
      context.drawImage(video, 0, 0, canvas.width, canvas.height);
    }
    if (video.paused) return;
    if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(draw); else setTimeout(draw, EDGE.every);
  };
  video.addEventListener("play", draw);
  if (!video.paused) draw();
}

/** Enlarge the film to the whole screen, or put it back beside the words. Somebody who asked for less motion keeps both. */
function watch(root, screen, isOn) {
  const film = screen.firstElementChild;
  if (isOn && !calm) {
    const { offsetWidth: width, offsetHeight: height } = film, box = screen.getBoundingClientRect(), whole = root.getBoundingClientRect();
    const scale = Math.max(1, Math.min(whole.width / width, whole.height / height));
    screen.style.setProperty("--watch", String(scale));
    screen.style.setProperty("--watch-y", `${whole.top + whole.height / 2 - (box.top + box.height / 2)}px`);
  }
  root.classList.toggle("is-watching", isOn && !calm);
}
