/* What stays on this device, in this tab only: a small copy of the photo while its film is being made, and the
   look and name of a take that ended, for the next try. Private mode may refuse; then memory is all there is. */
const PHOTO = "selfie-hero:photo", DRAFT = "selfie-hero:draft";

function write(key, value) { try { sessionStorage.setItem(key, JSON.stringify(value)); } catch { /* nothing kept */ } }
function read(key) { try { return JSON.parse(sessionStorage.getItem(key)); } catch { return null; } }
function drop(key) { try { sessionStorage.removeItem(key); } catch { /* nothing to drop */ } }

/** Keep the stage's own cut of the photo for the job that was made from it. */
export function keepPhoto(canvas, face, jobId) {
  try { write(PHOTO, { id: jobId, face, photo: canvas.toDataURL("image/jpeg", .86) }); } catch { /* nothing kept */ }
}

/** Return what was kept for this job and no other. */
export function recallPhoto(jobId) {
  const kept = read(PHOTO);
  return kept && kept.id === jobId ? kept : null;
}

export function forgetPhoto() { drop(PHOTO); }

export function keepDraft({ look, name }) { write(DRAFT, { look, name }); }

/** Return the draft once; a second visit starts fresh. */
export function takeDraft() { const draft = read(DRAFT); drop(DRAFT); return draft; }

/* The orders of this tab, for once.js. */
const ORDERS = "selfie-hero:orders";
let orders = {};                                                 // as long as this document lives, where storage is refused

export function keepOrders(value) { orders = value; write(ORDERS, value); }
export function recallOrders() { return read(ORDERS) || orders; }

/** Return the photo that another app shared, once; null when there is none. */
export async function takeShared() {
  try {
    const cache = await caches.open("shared-photo"), [request] = await cache.keys(), kept = request && await cache.match(request);
    if (!kept) return null;
    await cache.delete(request);
    return new File([await kept.blob()], "shared", { type: kept.headers.get("Content-Type") || "" });
  } catch { return null; }
}
