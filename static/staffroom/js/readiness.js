// Readiness: shows the report as soon as it has been measured.
import { $ } from "./room.js";

const EVERY_MS = 2000;
const place = $("[data-measuring]");
const ask = async () => {
  try {
    const answer = await fetch(place.dataset.measuring, { headers: { Accept: "application/json" } });
    if (answer.ok && !(await answer.json()).is_measuring) { location.reload(); return; }
  } catch { /* Without the server it is asked again. */ }
  setTimeout(ask, EVERY_MS);
};
if (place) setTimeout(ask, EVERY_MS);
