/* Erase: asked once in the dialog, ended by a receipt in place of the page. */
import { $, showText } from "./app.js";
import { call } from "./api.js";
import { forgetPhoto } from "./store.js";
import { WORDS } from "./words.js";

/** Let the dialog erase the job at this address. `clear()` takes everything of the person off the page. */
export function mountErase(address, clear) {
  $("[data-erase]").addEventListener("click", async () => {
    const error = $("[data-erase-error]");
    showText(error, "");
    const answer = await call(address, { method: "DELETE", timeout: 30000 });
    if (!answer.ok && ![404, 410].includes(answer.status)) { showText(error, answer.body?.detail || WORDS.eraseFailed); return; }
    $("#erase").close();
    forgetPhoto();
    clear();
    const erased = $("[data-erased]");
    if (answer.body?.receipt) {
      $("[data-receipt]", erased).textContent = answer.body.receipt;
      $("[data-receipt-line]", erased).hidden = false;
    }
    erased.hidden = false;
    document.title = WORDS.erasedTitle;
    scrollTo({ top: 0, behavior: "instant" });
    $("h1", erased).focus({ preventScroll: true });
  });
}
