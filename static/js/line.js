/* The Line: a horizontal slider between a photo and its film. A real slider: drag, arrows, Home, End. */
import { calm } from "./app.js";
import { WORDS } from "./words.js";

const STEPS = { ArrowDown: 4, ArrowUp: -4, ArrowRight: 4, ArrowLeft: -4, PageDown: 15, PageUp: -15, Home: -100, End: 100 };
const mounted = new WeakMap();

export function setLine(film, percent) {
  const value = Math.min(100, Math.max(0, percent)), line = film.querySelector(".line");
  film.style.setProperty("--line", `${value}%`);
  film.style.setProperty("--at", String(value));
  line?.setAttribute("aria-valuenow", String(Math.round(value)));
  line?.setAttribute("aria-valuetext", WORDS.line(Math.round(value), 100 - Math.round(value)));
  return value;
}

/** Make the Line in this film movable, and let it travel from `from` to `rest` once. Mounting again only travels again. */
export function mountLine(film, { from = 8, rest = 52 } = {}) {
  const state = mounted.get(film) || { at: 0, touched: false };
  state.touched = false;
  state.at = setLine(film, calm ? rest : from);
  if (!calm) travel(film, state, from, rest);
  if (mounted.has(film)) return;
  mounted.set(film, state);

  const line = film.querySelector(".line");
  const follow = event => {
    const box = film.getBoundingClientRect();
    state.at = setLine(film, (event.clientY - box.top) / box.height * 100);
  };
  line.addEventListener("pointerdown", event => { state.touched = true; line.setPointerCapture(event.pointerId); follow(event); });
  line.addEventListener("pointermove", event => { if (line.hasPointerCapture(event.pointerId)) follow(event); });
  line.addEventListener("keydown", event => {
    const step = STEPS[event.key];
    if (!step) return;
    state.touched = true;
    event.preventDefault();
    state.at = setLine(film, state.at + step);
  });
}

function travel(film, state, from, rest) {
  const begin = performance.now() + 350;
  const step = now => {
    if (state.touched) return;
    const part = Math.min(1, Math.max(0, (now - begin) / 1700));
    const eased = part < .5 ? 4 * part ** 3 : 1 - (-2 * part + 2) ** 3 / 2;
    state.at = setLine(film, from + (rest - from) * eased);
    if (part < 1) requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
}
