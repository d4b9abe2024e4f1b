/* A take that ended without a film: the next one starts with the same look and name, and the photo can go at once. */
import { $, $$, followAddress, pageData } from "./app.js";
import { mountErase } from "./erase.js";
import { orderEnded } from "./once.js";
import { mountReceipt } from "./receipt.js";
import { forgetPhoto, keepDraft } from "./store.js";

const job = pageData("job");
forgetPhoto();
orderEnded(job.id);
mountReceipt(job);
followAddress();
$$("[data-again]").forEach(link => link.addEventListener("click", () => keepDraft({ look: job.look, name: job.hero_name || "" })));
mountErase(job.links.self, () => { $("[data-ended]").hidden = true; });
