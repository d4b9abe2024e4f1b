/* "Continue on your phone": a link to this one job, to point a camera at or to copy. Asked for when it is wanted. */
import { $, showText, toast } from "./app.js";
import { call } from "./api.js";
import { WORDS } from "./words.js";

/** Let the dialog hand over the job whose page is at this address. */
export function mountPhone(page, signal) {
  const dialog = $("#phone"), picture = $("[data-qr]", dialog), words = $("[data-here]", dialog), copy = $("[data-copy]", dialog), end = $("[data-end-links]", dialog);
  const error = $("[data-phone-error]", dialog);
  let link = "";

  async function ask() {
    showText(error, "");
    if (!picture.getAttribute("src")) picture.src = `${page}qr.svg?${Date.now()}`;
    if (link) return;
    const answer = await call(`${page}link/`);
    link = answer.body?.link || "";
    words.textContent = link.replace(/^https?:\/\//, "");
    copy.hidden = end.hidden = !link;
    if (!link) { picture.removeAttribute("src"); showText(error, WORDS.noLink); }
  }
  picture.addEventListener("error", () => { picture.removeAttribute("src"); showText(error, WORDS.noLink); }, { signal });
  $("[data-open=phone]").addEventListener("click", ask, { signal });
  end.addEventListener("click", async () => {
    const answer = await call(`/api/v1${page}links/`, { method: "DELETE" });
    if (!answer.ok) { showText(error, WORDS.noLink); return; }
    link = words.textContent = "";
    copy.hidden = end.hidden = true;
    picture.removeAttribute("src");
    dialog.close();
    toast(WORDS.linksEnded, "good");
  }, { signal });
  copy.addEventListener("click", async () => {
    try { await navigator.clipboard.writeText(link); toast(WORDS.phoneCopied, "good"); }
    catch { getSelection().selectAllChildren(words); toast(WORDS.phoneByHand); }
  }, { signal });
}
