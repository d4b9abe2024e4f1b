/* The reveal: lift the Line and the curtain goes up. The same gesture unlocks the sound. */
import { $, $$, calm, followAddress, frugal, openDialog, pageData, playWhenSeen, setIcon, showText, toast } from "./app.js";
import { call } from "./api.js";
import { hex } from "./digest.js";
import { mountErase } from "./erase.js";
import { mountLine, setLine } from "./line.js";
import { orderEnded } from "./once.js";
import { mountReceipt } from "./receipt.js";
import { forgetPhoto, keepDraft, keepPhoto } from "./store.js";
import { mountScreen } from "./watch.js";
import { WORDS } from "./words.js";

const LINK_TRIES = 3, PULL = 110, SETTLE = 1100, PLACING = 4000;
let job = pageData("job");
const root = $("[data-reveal]"), video = $("[data-main]"), film = $(".film"), still = $("[data-still]"), save = $("[data-save]");
const links = { ...job.links }, sharePath = `${links.self}share/`;

forgetPhoto();                                                   // the film is here, the copy has done its work
orderEnded(job.id);
mountReceipt(job);
followAddress();
video.controls = false;
video.tabIndex = -1;                                             // the page's own buttons are its controls
setLine(film, 100);
const screen = mountScreen(root, $("[data-screen]"), video), tools = $$(".lit__tools, .lit__words", root);

/* Signed links expire: ask for fresh ones, never show a broken film ---------------------------------- */
/** Ask our own server for an attachment; another host's signature would not survive one more parameter. */
function withDownload(url) {
  const link = new URL(url, location.href);
  if (link.origin === location.origin) link.searchParams.set("download", "1");
  return link.href;
}

/** Bring new links from the server. Return whether the film is still there; say so kindly when it is not. */
async function renew() {
  const answer = await call(links.self);
  if ([403, 404, 410].includes(answer.status) || (answer.ok && !answer.body.links.video)) { gone(); return false; }
  if (!answer.ok) return false;
  job = answer.body;
  Object.assign(links, job.links);
  save.href = withDownload(links.video);
  return true;
}
function gone() {
  video.pause();
  $("[data-title]").textContent = WORDS.filmGone;
  $$(".reveal__acts, .keep, .curtain, .reveal__side").forEach(node => { node.hidden = true; });
  root.classList.add("is-open", "is-settled");
}

let linkTries = 0;
async function mend() {
  if (linkTries++ >= LINK_TRIES) { toast(WORDS.filmStuck, "warn"); return; }
  await new Promise(resolve => setTimeout(resolve, 1000 * (linkTries - 1)));
  const at = video.currentTime, wasPlaying = root.classList.contains("is-open") && !film.classList.contains("is-held");
  if (!await renew()) return;
  video.src = links.video;
  if (links.poster) { video.poster = links.poster; if (still) still.src = links.poster; }
  video.addEventListener("loadedmetadata", () => { if (at) video.currentTime = at; }, { once: true });
  if (wasPlaying) video.play().catch(() => {});
}
video.addEventListener("error", mend);
video.addEventListener("playing", () => { linkTries = 0; });
if (video.error) mend();

function showLength() {
  const seconds = Math.round(video.duration), line = $("[data-sub]");
  if (!Number.isFinite(seconds) || line.dataset.said) return;
  line.dataset.said = "1";
  line.textContent = [line.textContent, WORDS.secondsLong(seconds)].filter(Boolean).join(", ");
}
video.addEventListener("loadedmetadata", showLength);
showLength();

/* Curtain and controls -------------------------------------------------------------------------------- */
function sound(on) {
  const button = $("[data-sound]");
  video.muted = !on;
  button.setAttribute("aria-pressed", String(on));
  button.setAttribute("aria-label", on ? WORDS.soundOff : WORDS.soundOn);
  setIcon(button, on ? "sound" : "mute");
}
async function open() {
  if (root.classList.contains("is-open")) return;
  root.classList.add("is-open");
  sound(true);
  video.currentTime = 0;
  screen.watch(true);
  setTimeout(() => {
    root.classList.add("is-settled");
    $(".curtain").hidden = true;
    $("[data-title]").focus({ preventScroll: true });
    prefetch();
  }, calm ? 10 : SETTLE);
  try { await video.play(); } catch { sound(false); video.play().catch(() => {}); }
}

const lift = $("[data-lift]");
let from = null;
lift.addEventListener("click", open);
lift.addEventListener("pointerdown", event => { from = event.clientY; lift.setPointerCapture(event.pointerId); });
lift.addEventListener("pointermove", event => {
  if (from === null) return;
  root.style.setProperty("--pull", `${Math.min(140, Math.max(0, from - event.clientY))}px`);
});
lift.addEventListener("pointerup", event => {                     // the end of a pull is a gesture that may start sound
  const pull = from === null ? 0 : from - event.clientY;
  from = null;
  root.style.setProperty("--pull", "0px");
  if (pull > PULL) open();
});
lift.addEventListener("pointercancel", () => { from = null; root.style.setProperty("--pull", "0px"); });
/* The first round belongs to the film alone; then words and controls come, and a tap on the film sends them away again. */
video.addEventListener("timeupdate", () => {
  if (root.classList.contains("is-settled") && !video.dataset.seen && video.currentTime > video.duration - .4) {
    video.dataset.seen = "1";
    screen.watch(false);
    if (compare && !frugal) placed();                            // before anybody asks
  }
});
video.addEventListener("pause", () => screen.watch(false));
tools.forEach(node => node.addEventListener("focusin", event => { if (event.target !== $("[data-title]")) screen.watch(false); }));
root.addEventListener("click", event => {
  if (!root.classList.contains("is-settled") || event.target.closest("button, a, .line")) return;
  screen.watch(!root.classList.contains("is-watching") && !video.paused);
});

lift.disabled = false;                                            // until here a tap would have been lost

$("[data-sound]").addEventListener("click", () => sound(video.muted));
$("[data-pause]").addEventListener("click", () => { if (video.paused) video.play().catch(() => {}); else video.pause(); });
function showPlaying() {
  const button = $("[data-pause]");
  button.setAttribute("aria-label", video.paused ? WORDS.play : WORDS.pause);
  setIcon(button, video.paused ? "play" : "pause");
}
video.addEventListener("play", showPlaying);
video.addEventListener("pause", showPlaying);

/* Before and after: eyes on eyes, found on this device ------------------------------------------------ */
const compare = $("[data-compare]"), before = $("[data-before]");
let placing = null;
/** Lay the photo so that its eyes are where the poster's are. Without a face it stays as it is. */
const placed = () => { placing ??= import("./placing.js").then(({ place }) => place(root, before, still)).catch(() => {}); return placing; };
before?.addEventListener("error", () => { if (compare) compare.hidden = true; });
compare?.addEventListener("click", async () => {
  const isOn = compare.getAttribute("aria-pressed") !== "true", line = $(".line", film);
  compare.setAttribute("aria-pressed", String(isOn));
  screen.watch(false);
  if (isOn) {
    video.pause();
    await Promise.race([placed(), new Promise(resolve => setTimeout(resolve, PLACING))]);
    if (compare.getAttribute("aria-pressed") !== "true") return;
  }
  root.classList.toggle("is-comparing", isOn);
  film.classList.toggle("is-held", isOn);
  line.hidden = !isOn;
  if (isOn) { mountLine(film, { from: 100, rest: 40 }); line.focus({ preventScroll: true }); }
  else { setLine(film, 100); video.play().catch(() => {}); }
});

/* Save, with a link that is fresh --------------------------------------------------------------------- */
save.addEventListener("click", async event => {
  if (save.dataset.fresh) { delete save.dataset.fresh; return; }
  event.preventDefault();
  await renew();
  if (root.classList.contains("is-settled") && !$(".reveal__acts").hidden) { save.dataset.fresh = "1"; save.click(); }
});

/* Share: the film itself where the device can, else a link -------------------------------------------- */
const takesFiles = (() => {
  try { return navigator.canShare?.({ files: [new File([""], "film.mp4", { type: "video/mp4" })] }) === true; } catch { return false; }
})();
let fileReady = null;
/** Have the film in hand before the button is pressed: a share sheet opens only right after the press. */
function prefetch() {
  if (!takesFiles || fileReady) return;
  fetch(links.video).then(answer => answer.ok ? answer.blob() : null).then(blob => {
    if (blob) fileReady = new File([blob], save.download || "selfie-hero.mp4", { type: "video/mp4" });
  }).catch(() => {});
}

async function shareFile() {
  try {
    await navigator.share({ files: [fileReady], title: "Selfie Hero", text: WORDS.shareText(job.hero_name) });
    return true;
  } catch (error) { return error.name === "AbortError"; }          // closing the sheet is fine
}

const linkField = $("[data-link]");
async function copy() {
  try { await navigator.clipboard.writeText(linkField.value); toast(WORDS.copied, "good"); }
  catch { linkField.focus(); linkField.select(); toast(WORDS.copyByHand); }
}
async function shareLink() {
  if (!links.share) {
    const answer = await call(sharePath, { method: "POST" });
    if (!answer.ok || !answer.body?.links?.share) { toast(answer.body?.detail || WORDS.notShared, "warn"); return; }
    job = answer.body;
    links.share = job.links.share;
  }
  linkField.value = new URL(links.share, location.href).href;
  openDialog("link");
  await copy();
}
$$("[data-share]").forEach(button => button.addEventListener("click", async () => {
  if (!(fileReady && await shareFile())) await shareLink();
}));
$("[data-share-link]").hidden = !takesFiles;
$("[data-share-link]").addEventListener("click", shareLink);
$("[data-copy]").addEventListener("click", copy);
$("[data-unshare]").addEventListener("click", async () => {
  const answer = await call(sharePath, { method: "DELETE" });
  if (!answer.ok) { toast(WORDS.refused, "warn"); return; }
  links.share = null;
  $("#link").close();
  toast(WORDS.unshared, "good");
});

/* Another look of the same photo: nothing is sent again, and the wait begins with the picture that is here already ------- */
const takes = $("[data-takes]"), takeError = $("[data-take-error]"), takeKeys = new Map();
let taking = false;
takes?.addEventListener("submit", async event => {
  event.preventDefault();
  const look = event.submitter?.value;
  if (!look || taking) return;
  taking = true;
  showText(takeError, "");
  event.submitter.setAttribute("aria-busy", "true");
  if (!takeKeys.has(look)) takeKeys.set(look, hex(crypto.getRandomValues(new Uint8Array(16))));
  const answer = await call(`${links.self}remix/`, { method: "POST", form: { look }, key: takeKeys.get(look) });
  taking = false;
  event.submitter?.removeAttribute("aria-busy");
  if (!answer.ok || !answer.body?.links) { showText(takeError, [answer.body?.detail || WORDS.refused, answer.body?.next_step].filter(Boolean).join(" ")); return; }
  await handOver(answer.body.id);
  location.assign(answer.body.links.page);
});
/** Let the wait page paint from the photo on this page; when that is not possible it paints without. */
async function handOver(jobId) {
  if (!before?.complete || !before.naturalWidth) return;
  try {
    const { frame } = await import("./stage.js");
    const { canvas, face } = await frame(before);
    keepPhoto(canvas, face, jobId);
  } catch { /* the wait has a silhouette */ }
}
playWhenSeen($$("[data-loop]"));

/* Another take keeps the name; erase asks once and ends in a receipt ------------------------------------ */
$("[data-another]").addEventListener("click", () => keepDraft({ look: job.look, name: job.hero_name || "" }));

mountErase(links.self, () => {
  fileReady = null;
  video.removeEventListener("error", mend);
  video.pause();
  video.removeAttribute("src");
  video.removeAttribute("poster");
  video.load();
  $$("img, canvas.edge", root).forEach(image => image.remove());
  root.hidden = true;
  $("[data-after]").hidden = true;
});
