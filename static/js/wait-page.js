/* The wait page opened by its own address: reload, My heroes, another device. From the start page, start.js boots it. */
import { $, followAddress, pageData } from "./app.js";
import { silhouette } from "./photo.js";
import { recallPhoto } from "./store.js";
import { boot } from "./wait.js";

async function ownPicture(job) {
  const kept = recallPhoto(job.id);
  if (!kept) return null;
  const picture = new Image();
  picture.src = kept.photo;
  try { await picture.decode(); } catch { return null; }
  return { picture, face: kept.face };
}

const job = pageData("job");
followAddress();
if (job) {
  const own = await ownPicture(job);
  const wait = await boot({ ...(own || { picture: silhouette() }), isOwnPhoto: Boolean(own), look: job.look, name: job.hero_name || "" });
  wait.attach(job);
} else {
  location.replace($("[data-wait]").dataset.startUrl || "/");    // nothing is on its way: the empty page is not for visitors
}
