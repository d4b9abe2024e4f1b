// Lists by keyboard: j and k move, x chooses, Enter opens. Choosing itself is Django's actions.js.
import { $, $$ } from "./room.js";

const rows = $$("#result_list tbody tr");
let at = -1;

function go(step) {
  if (!rows.length) return;
  rows[at]?.classList.remove("is-at");
  at = Math.max(0, Math.min(rows.length - 1, at + step));
  rows[at].classList.add("is-at");
  $("th a, td a", rows[at])?.focus({ preventScroll: true });
  rows[at].scrollIntoView({ block: "nearest" });
}

document.addEventListener("keydown", (event) => {
  if (event.metaKey || event.ctrlKey || event.altKey || event.target.closest("input:not([type=checkbox]), textarea, select")) return;
  if (event.key === "j") go(1);
  else if (event.key === "k") go(-1);
  else if (event.key === "x" && rows[at]) $(".action-select", rows[at])?.click();
});
