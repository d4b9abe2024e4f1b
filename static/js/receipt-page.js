/* The page where receipts are checked: compare a photo with the digest, without sending it anywhere. */
import { $ } from "./app.js";
import { sha256 } from "./digest.js";
import { WORDS } from "./words.js";

const said = $("[data-compared]");
$("[data-compare-photo]")?.addEventListener("change", async event => {
  const [file] = event.target.files;
  said.textContent = "";
  if (!file) return;
  const isSame = await sha256(new Uint8Array(await file.arrayBuffer())) === $("[data-photo-sha256]").textContent.trim();
  said.dataset.compared = isSame ? "same" : "other";
  said.textContent = isSame ? WORDS.samePhoto : WORDS.otherPhoto;
});
