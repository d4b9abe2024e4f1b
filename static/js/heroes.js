/* My heroes: films come alive under the pointer or the focus. */
import { $, $$, calm } from "./app.js";
import { forgetOrders } from "./once.js";

$$("[data-at]").forEach(rule => rule.style.setProperty("--at", `${4 + 92 * Number(rule.dataset.at)}%`));

$$(".hero-card").forEach(card => {
  const video = $("video", card);
  if (!video || calm) return;
  const go = () => {
    if (!video.src) video.src = video.dataset.src;
    video.play().then(() => card.classList.add("is-playing")).catch(() => {});
  };
  const stop = () => { video.pause(); card.classList.remove("is-playing"); };
  card.addEventListener("pointerenter", go);
  card.addEventListener("pointerleave", stop);
  card.addEventListener("focusin", go);
  card.addEventListener("focusout", stop);
});

/* "New hero" means a new one, also from the same photo. */
$("[data-new]")?.addEventListener("click", forgetOrders);

/* Coming back to this page, its states may be old. */
addEventListener("pageshow", event => { if (event.persisted) location.reload(); });
