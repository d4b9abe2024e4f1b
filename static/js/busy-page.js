/* The 503 page: comes back by itself. */
import { $ } from "./app.js";
import { countDown } from "./busy.js";

const root = $("[data-busy]");
await countDown(root, Math.max(1, Number(root.dataset.busy) || 30));
location.reload();
