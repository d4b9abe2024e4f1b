/* A take that ended without a film: the next one starts with the same look and name. */
import { $, $$, pageData } from "./app.js";
import { forgetPhoto, keepDraft } from "./store.js";

const job = pageData("job");
forgetPhoto();
$$("[data-again]", $("main")).forEach(link => link.addEventListener("click", () => keepDraft({ look: job.look, name: job.hero_name || "" })));
