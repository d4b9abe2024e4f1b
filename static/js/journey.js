/* From the form to the film's own address without leaving the document: the wait is on stage while the photo is still
   on its way. Scenes (form, wait, full house) are the body's nodes, kept and put back, so nothing typed is ever lost. */
import { $, allowSkip, showConnection } from "./app.js";
import { countDown } from "./busy.js";
import { orderBecame, orderEnded, placeOrder } from "./once.js";
import { keepPhoto } from "./store.js";
import { post } from "./upload.js";
import { boot } from "./wait.js";
import { WORDS } from "./words.js";

const QUIET_TRIES = 2;                                            // lost answers are asked for again before anyone is told
let shell = null;

/** Fetch the wait page before it is needed. */
export function warmUp(waitUrl) {
  shell ??= fetch(waitUrl, { credentials: "same-origin" })
    .then(answer => answer.ok ? answer.text() : null).catch(() => null)
    .then(text => {
      if (text?.includes("data-wait")) return text;
      shell = null;
      return null;
    });
  return shell;
}

function capture() {
  return { nodes: [...document.body.childNodes], className: document.body.className, title: document.title, scroll: scrollY };
}

function show(scene) {
  document.body.className = scene.className;
  document.body.replaceChildren(...scene.nodes);
  document.title = scene.title;
  if (!navigator.onLine) showConnection(false);                   // the strip belongs to every scene
  scrollTo({ top: scene.scroll || 0, behavior: "instant" });
}

function parseScene(text) {
  const page = new DOMParser().parseFromString(text, "text/html");
  return { nodes: [...page.body.childNodes].map(node => document.adoptNode(node)), className: page.body.className, title: page.title };
}

async function curtain(change) {
  if (!document.startViewTransition || document.hidden) { await change(); return; }
  const transition = document.startViewTransition(change);
  allowSkip(transition);
  await transition.updateCallbackDone;
}

function busyScene(form) {
  const header = form.nodes.find(node => node.matches?.("header")).cloneNode(true), main = document.createElement("main");
  header.classList.remove("bar--over");
  main.id = "main";
  main.tabIndex = -1;
  main.append(form.nodes.find(node => node.matches?.("main")).querySelector("#busy-scene").content.cloneNode(true));
  return { nodes: [header, main], className: "page-alone", title: `${WORDS.busyTitle} – Selfie Hero` };
}

/** Send the parcel and follow it. Resolves only when the form is back on stage: with the problem, or with null when someone
    changed their mind. When the job is accepted it never resolves; the page has become the job's own. */
export async function travel({ uploadUrl, waitUrl, packed, look, name, keepsLong, who = "", picture, face, isOwnPhoto, onLeave }) {
  const form = capture(), page = await warmUp(waitUrl), off = new AbortController();
  let wait = null, waiting = null, job = null, bytesAreOut = false, canceled = false;

  const giveUp = () => { canceled = true; if (!bytesAreOut) off.abort(); };   // once it is all out, the answer decides
  const raise = async () => {
    waiting = parseScene(page);
    show(waiting);
    $("#main").focus({ preventScroll: true });
    wait = await boot({ picture, face, isOwnPhoto, look, name, onCancel: giveUp });
  };
  const goBack = () => {
    if (job) location.reload();
    else { canceled = true; off.abort(); }
  };
  let onStage = null;                                            // the upload does not wait for the picture, nor the other way round
  if (page) {
    onLeave();
    history.pushState({ scene: "wait" }, "", waitUrl);
    onStage = curtain(raise);
  }
  addEventListener("popstate", goBack);
  addEventListener("pageshow", event => { if (event.persisted) location.reload(); }, { signal: off.signal });

  const { blob, name: fileName } = await packed;
  let order = await placeOrder(blob, look, name, who), answer = null;
  for (let tries = 1; ; tries++) {
    if (off.signal.aborted) { await onStage; answer = { aborted: true }; break; }
    bytesAreOut = false;
    const parcel = { blob, fileName, look, name, keepsLong, who, key: order.key };
    answer = await post(uploadUrl, parcel, { signal: off.signal, onprogress: part => { bytesAreOut = part === 1; wait?.sent(part); } });
    await onStage;
    if (answer.job?.finished_at && answer.job.id === order.jobId) {  // it was here before and has ended: this is a new wish
      orderEnded(order.jobId);
      order = await placeOrder(blob, look, name, who);
      continue;
    }
    if (!answer.again) break;
    const isQuiet = answer.lost && tries <= QUIET_TRIES && navigator.onLine;
    if (isQuiet) { await new Promise(resolve => setTimeout(resolve, 500 * tries + Math.random() * 1000)); continue; }
    wait?.stage.pause();
    const again = !canceled && await fullHouse(form, answer, picture, isOwnPhoto, off.signal);
    if (!again) { canceled = true; break; }
    show(waiting || form);
    wait?.stage.play();
  }

  if (answer.job) {
    job = answer.job;
    orderBecame(order, job.id);
    if (isOwnPhoto) keepPhoto(picture, face, job.id);
    if (!page) { location.assign(job.links.page); return new Promise(() => {}); }
    history.replaceState({ scene: "job" }, "", job.links.page);
    wait.attach(job);
    if (canceled) $("[data-cancel-job]").click();
    return new Promise(() => {});
  }

  removeEventListener("popstate", goBack);
  off.abort();
  wait?.stop();
  if (page && location.pathname === new URL(waitUrl, location.href).pathname) history.back();
  await curtain(() => show(form));
  return answer.aborted || canceled ? null : answer.problem;
}

/** Keep photo, look and name, count down, and say whether to try again. */
async function fullHouse(form, answer, picture, isOwnPhoto, signal) {
  const scene = busyScene(form);
  show(scene);
  const root = $("[data-busy]"), photo = $("[data-busy-photo]", root);
  $("[data-busy-title]", root).textContent = answer.lost ? WORDS.lostTitle : answer.isFull ? WORDS.noRoomTitle
    : answer.isTooMany ? WORDS.tooManyTitle : WORDS.busyTitle;
  $("[data-busy-words]", root).textContent = answer.lost ? WORDS.lost : answer.problem?.detail || WORDS.busy;
  if (isOwnPhoto) { photo.src = picture.toDataURL("image/jpeg", .8); photo.hidden = false; }
  $("#main").focus({ preventScroll: true });
  const seconds = answer.wait || 10;
  const isOver = new Promise(resolve => {
    $("[data-back]", root).addEventListener("click", () => resolve(false));
    signal.addEventListener("abort", () => resolve(false), { once: true });
  });
  return Promise.race([countDown(root, seconds).then(() => true), isOver]);
}
