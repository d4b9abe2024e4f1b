// Places a job on its clock. Long gaps are folded to a band with a name; "true scale" shows how long they were.
import { $, $$ } from "./room.js";

const axis = $("[data-axis]"), gaps = JSON.parse($("#gaps").textContent);
const FOLDED = .24; // how much of the width one gap may take
const RELOADS_EVERY = 15000;
let end = Number(axis.dataset.end), folded = true, now = Number(axis.dataset.live || 0); // under way: the Line is now, and moves

function where(t) {
  if (!folded) return t / end;
  const given = FOLDED * gaps.length, rest = Math.max(.1, end - gaps.reduce((sum, [a, b]) => sum + b - a, 0));
  let x = 0, from = 0;
  for (const [a, b] of gaps) {
    if (t <= a) return x + ((t - from) / rest) * (1 - given);
    x += ((a - from) / rest) * (1 - given);
    if (t <= b) return x + ((t - a) / (b - a)) * FOLDED;
    x += FOLDED; from = b;
  }
  return x + ((t - from) / rest) * (1 - given);
}
const set = (node, x, w) => { node.style.setProperty("--x", x); if (w !== undefined) node.style.setProperty("--w", w); };
const span = (t) => (t < 10 && t % 1 ? `${t.toFixed(1)} s` : t < 60 ? `${Math.round(t)} s` : `${Math.floor(t / 60)} m ${String(Math.floor(t % 60)).padStart(2, "0")} s`);

function place() {
  axis.classList.toggle("is-true", !folded);
  const wide = axis.clientWidth, narrow = wide < 600;
  for (const bar of $$("[data-from]", axis)) { const a = where(Number(bar.dataset.from)), b = where(Number(bar.dataset.to)); set(bar, a, b - a); }
  for (const mark of $$(".dotmark", axis)) set(mark, where(Number(mark.dataset.at)));
  // Words stand right of their stretch, or left of it where there is no room; in the middle of a wait.
  for (const lane of $$(".lane > div", axis)) {
    let taken = -1;
    for (const word of $$(".seg-word", lane)) {
      const at = where(Number(word.dataset.at)), share = word.offsetWidth / lane.clientWidth;
      const isLeft = !word.classList.contains("is-middle") && at + share > .99;
      word.classList.toggle("is-left", isLeft);
      const x = isLeft ? where(Number(word.dataset.left)) : at;
      set(word, x);
      const start = isLeft ? x - share : x;
      word.classList.toggle("is-hidden", start < taken || (isLeft && start < 0));
      if (start >= taken) taken = start + share;
    }
  }
  const scale = $(".axis__scale"), parts = narrow ? [0, .5, 1] : [0, .25, .5, .75, 1];
  const ticks = folded && gaps.length ? [0, ...gaps.flat(), end] : parts.map((part) => end * part);
  const apart = ticks.filter((t, i) => i === 0 || where(t) - where(ticks[i - 1]) > (narrow ? .2 : .07));
  scale.replaceChildren(...apart.map((t) => { const s = document.createElement("span"); s.textContent = t === 0 ? "0" : span(t); set(s, where(t)); return s; }));
  $$(".gap", axis).forEach((gap) => gap.remove());
  if (folded) {
    const holder = $(".axis__gaps", axis) ?? axis.appendChild(Object.assign(document.createElement("div"), { className: "axis__gaps" }));
    for (const [a, b] of gaps) { const gap = document.createElement("span"); gap.className = "gap"; set(gap, where(a), where(b) - where(a)); holder.append(gap); }
  }
  point();
}

// The moment: drag on the clock, or arrow keys from event to event; the row of that event lights up.
const when = $("#when"), rows = $$(".events tr[data-at]"), cursor = $("[data-cursor]");
let index = rows.length - 1;
function point() {
  const row = rows[index], isNow = now > 0 && index === rows.length - 1, t = isNow || !row ? now || end : Number(row.dataset.at);
  const x = Math.max(0, Math.min(1, where(t)));
  set(cursor, x);
  const words = `${span(t)} ${isNow || !row ? "now" : row.querySelector("th").textContent}`;
  $("output", cursor).textContent = words;
  cursor.classList.toggle("is-near", x < .25);
  when.value = Math.round(x * 1000);
  when.setAttribute("aria-valuetext", words);
  rows.forEach((r) => r.classList.toggle("is-at", r === row));
}
when.addEventListener("input", () => {
  const x = Number(when.value) / 1000, far = rows.map((r) => Math.abs(where(Number(r.dataset.at)) - x));
  index = far.indexOf(Math.min(...far));
  point();
});
when.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, Home: -rows.length, End: rows.length }[event.key];
  if (!step) return;
  event.preventDefault();
  index = Math.max(0, Math.min(rows.length - 1, index + step));
  point();
});
rows.forEach((row, i) => row.addEventListener("click", () => { index = i; point(); }));
for (const button of $$("[data-scale]")) button.addEventListener("click", () => {
  folded = button.dataset.scale === "fold";
  $$("[data-scale]").forEach((b) => b.setAttribute("aria-pressed", String(b === button)));
  place();
});
place();
document.fonts?.ready.then(place);
new ResizeObserver(place).observe(axis);

if (now) {
  const started = performance.now(), from = now;
  setInterval(() => {
    if (document.hidden) return;
    now = from + (performance.now() - started) / 1000;
    end = Math.max(end, now + 1);
    place();
  }, 1000);
  // What happens meanwhile is on the server; nobody who is writing a note is disturbed.
  setInterval(() => { if (!document.hidden && !$("#note")?.value && document.activeElement !== $("#note")) location.reload(); }, RELOADS_EVERY);
}
