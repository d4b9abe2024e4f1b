/* The long wait: one's own face in the other looks, painted on this device, and another look or name as long as the film
   waits in line. */
import { $, $$, showText } from "./app.js";
import { call } from "./api.js";
import { Stage } from "./stage.js";
import { WORDS } from "./words.js";

const IN_LINE = ["accepted", "preparing", "waiting_for_slot"], LONG = 45, MOST = 3, WIDTH = 135, PULSE = 30000;   // seconds; looks; pixels; milliseconds

/** Show them in the wait when it becomes a long one. `picture` is null when there is none; `onChange` gets new snapshots. */
export function mountOthers(root, { picture, onChange, signal }) {
  const section = $("[data-others]", root), list = $("[data-others-list]", root), form = $("[data-rename]", root), error = $("[data-others-error]", root);
  const looks = $$("[data-looks] li", root).map(node => ({ slug: node.dataset.slug, title: node.textContent }));
  let job = null, painted = "", beating = 0;

  async function change(wish) {
    const answer = await call(job.links.self, { method: "PATCH", json: wish });
    showText(error, answer.ok ? "" : answer.body?.detail || WORDS.refused);
    if (answer.ok) onChange(answer.body);
  }
  /** How many films have been finished meanwhile, as everybody may know. */
  async function beat() {
    const { ok, body } = await call("/status.json"), { films, hours } = body?.promises || {};
    if (ok && films) $("[data-pulse]", root).textContent = WORDS.pulse(films, hours);
  }
  signal.addEventListener("abort", () => clearInterval(beating), { once: true });
  async function paint() {
    painted = job.look;
    const others = looks.filter(({ slug }) => slug !== job.look).slice(0, MOST);
    list.replaceChildren(...others.map(({ slug, title }) => {
      const button = document.createElement("button"), canvas = document.createElement("canvas");
      Object.assign(button, { type: "button", className: "other" });
      canvas.setAttribute("aria-hidden", "true");
      button.dataset.look = slug;
      button.append(canvas, title);
      button.addEventListener("click", () => change({ look: slug }));
      return button;
    }));
    for (const canvas of $$("canvas", list)) {
      if (picture) await new Stage(canvas, { look: canvas.parentElement.dataset.look, width: WIDTH, still: true }).show(picture);
      else canvas.hidden = true;
    }
  }
  form.addEventListener("submit", event => {
    event.preventDefault();
    const name = $("input", form).value.trim().toUpperCase();
    if (name !== job.hero_name) change({ hero_name: name });
  }, { signal });

  return {
    /** Show or hide them for this snapshot of a job that has been waited for so many seconds. */
    show(next, waited) {
      const isFirst = !job;
      job = next;
      if (isFirst) $("input", form).value = job.hero_name;
      const isLong = waited >= LONG || (job.queue?.eta_seconds?.p50 ?? 0) >= LONG;
      if (!IN_LINE.includes(job.stage)) { section.hidden = true; return; }
      if (!isLong && section.hidden) return;
      section.hidden = false;
      if (!beating) { beating = setInterval(beat, PULSE); beat(); }
      if (painted !== job.look) paint().catch(() => {});
    },
  };
}
