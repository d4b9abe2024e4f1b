/* One order, one job. The Idempotency-Key is made from photo, look, name and a random number of this tab's session, so a
   double tap, a retry after a lost answer and a reload that sends the same again all mean the same job.

   The number belongs to one order (one photo with one look and name, and one person of several). It is kept in sessionStorage from before the first
   byte is sent until the job has ended or the visitor asks for a new one: then the same photo makes another film. It is
   mixed in by a digest, because the server keeps the key after it has erased the photo, and what is left there must not
   tell which photo it was. Another tab is another session. */
import { hex, sha256 } from "./digest.js";
import { keepOrders, recallOrders } from "./store.js";

const MOST = 20;

/** Return the order for these, as it was or as a new one: { content, key, jobId }, jobId null until its answer came. */
export async function placeOrder(blob, look, name, who = "") {
  const photo = new Uint8Array(await blob.arrayBuffer()), words = new TextEncoder().encode(JSON.stringify(who ? [look, name, who] : [look, name]));
  const content = await sha256(new TextEncoder().encode(`${await sha256(photo)} ${await sha256(words)}`));
  const orders = recallOrders(), order = orders[content] || { nonce: hex(crypto.getRandomValues(new Uint8Array(16))), jobId: null };
  delete orders[content];                                         // the newest stand last
  keepOrders(Object.fromEntries([...Object.entries(orders).slice(1 - MOST), [content, order]]));
  const key = await sha256(new TextEncoder().encode(`${content} ${order.nonce}`));
  return { content, key, jobId: order.jobId };
}

/** The order's answer came: it is this job. */
export function orderBecame({ content }, jobId) {
  const orders = recallOrders();
  if (orders[content]) { orders[content].jobId = jobId; keepOrders(orders); }
}

/** This job has ended, or is no longer there: the same order would be another film. */
export function orderEnded(jobId) {
  keepOrders(Object.fromEntries(Object.entries(recallOrders()).filter(([, order]) => order.jobId !== jobId)));
}

/** The visitor starts anew, whatever is still under way. */
export function forgetOrders() { keepOrders({}); }
