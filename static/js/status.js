/* Status: bars filled, times in the visitor's own clock, and a fresh page now and then while the page is visible. */
import { $$, fill } from "./app.js";

const AGAIN = 20000;

$$("[data-fill]").forEach(node => fill(node, node.dataset.fill));
$$("time[data-clock]").forEach(clock => {
  const moment = new Date(clock.dateTime);
  if (!Number.isNaN(moment.getTime())) clock.textContent = moment.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
});
setInterval(() => { if (!document.hidden && !document.activeElement?.closest("main")) location.reload(); }, AGAIN);
