/* The receipt of a job: shown, copied, saved. Without this script its link is a text file to download. */
import { $, openDialog, toast } from "./app.js";
import { call } from "./api.js";
import { WORDS } from "./words.js";

/** Show the link, and let it open the dialog with the receipt of this job. */
export function mountReceipt(job) {
  const link = $("[data-receipt-link]"), field = $("[data-receipt-text]");
  if (!link || !field) return;
  link.href = $("[data-receipt-save]").href = `${job.links.page}receipt.txt`;
  link.hidden = false;
  field.value = job.receipt || "";                                // the answer to the upload brings it along
  link.addEventListener("click", async event => {
    event.preventDefault();
    if (!field.value) field.value = (await call(`${job.links.self}receipts/`)).body?.accepted || "";
    if (field.value) openDialog("receipt"); else toast(WORDS.noReceipt, "warn");
  });
  $("[data-receipt-copy]").addEventListener("click", async () => {
    try { await navigator.clipboard.writeText(field.value); toast(WORDS.receiptCopied, "good"); }
    catch { field.focus(); field.select(); toast(WORDS.copyByHand); }
  });
}
