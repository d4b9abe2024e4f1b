// Bulk with brakes: what a rate means while it is chosen, and the figures of a run while it goes.
import { $, $$, fill, number } from "./room.js";

const form = $("[data-bulk]");
const rate = $("#rate");
if (form && rate) {
  const { count, free, now, costly } = form.dataset;
  // The server's clock: its "now" and the minutes that an operation takes.
  const at = (minutes) => new Date((Number(now) + minutes * 60) * 1000).toISOString().slice(11, 16);
  const tell = () => {
    const value = Math.max(1, Number(rate.value) || 1);
    for (const button of $$("[data-rate]")) button.setAttribute("aria-pressed", String(Number(button.dataset.rate) === value));
    $('[data-b="end"]').textContent = at(Number(count) / value);
    if (costly) {
      const over = value - Number(free);
      $('[data-b="line"]').textContent = over <= 0 ? `nobody waits longer; it takes the free ${number(free)} a minute` : `grows by ${number(over)} a minute`;
    }
  };
  rate.addEventListener("input", tell);
  for (const button of $$("[data-rate]")) button.addEventListener("click", () => { rate.value = button.dataset.rate; tell(); });
}

const run = $("[data-run]");
const OPEN = ["running", "paused"];
const EVERY_MS = 2000;
if (run && OPEN.includes(run.dataset.status)) {
  const bar = $("[role=progressbar]", run);
  const show = (state) => {
    // Buttons and steps are those of a state: another one is another page.
    if (state.status !== run.dataset.status) { location.reload(); return; }
    const words = $('[data-b="words"]');
    if (words.textContent !== state.words) words.textContent = state.words;
    fill(bar, state.share);
    bar.setAttribute("aria-valuenow", state.worked);
    for (const one of state.figures) {
      $(`[data-b="${one.key}"]`).textContent = one.text;
      $(`[data-b="${one.key}.sub"]`).textContent = one.sub;
    }
    for (const brake of state.brakes) {
      const place = $(`[data-brake="${brake.name}"]`);
      if (place) place.textContent = brake.words;
    }
  };
  const ask = async () => {
    if (document.hidden || document.activeElement?.id === "rate") return;
    try {
      const answer = await fetch(run.dataset.run, { headers: { Accept: "application/json" } });
      if (answer.ok) show(await answer.json());
    } catch { /* Without the server the page keeps what it has. */ }
  };
  setInterval(ask, EVERY_MS);
}
