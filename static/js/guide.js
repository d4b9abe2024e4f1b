/* Style guide only: wear the three looks, move the Line, fill the bars, show a toast. */
import { $, $$, fill, playWhenSeen, toast } from "./app.js";
import { mountLine } from "./line.js";

const film = $("[data-demo-line]"), after = $(".film__after img", film);
$$("[data-wear]").forEach(button => button.addEventListener("click", () => {
  document.documentElement.dataset.look = button.dataset.wear;
  $$("[data-wear]").forEach(other => other.setAttribute("aria-pressed", String(other === button)));
  after.src = $(`.look input[value="${button.dataset.wear}"] ~ .look__film img`).src;
}));
mountLine(film);
$$("[data-fill]").forEach(node => fill(node, node.dataset.fill));
$$("[data-toast]").forEach(button => button.addEventListener("click", () => toast(button.dataset.toast, button.dataset.kind)));
playWhenSeen($$(".look video"));
