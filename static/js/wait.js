/* The wait: the visitor's own picture at once, then the truth, one snapshot at a time. */
import { $, $$, fill, showConnection, showText, toast } from "./app.js";
import { call } from "./api.js";
import { restoreTab, showInTab } from "./favicon.js";
import { JobProgress, isFinal } from "./job-progress.js";
import { chime, mountNotify } from "./notify.js";
import { orderEnded } from "./once.js";
import { mountOthers } from "./others.js";
import { mountPhone } from "./phone.js";
import { mountReceipt } from "./receipt.js";
import { Stage } from "./stage.js";
import { forgetPhoto } from "./store.js";
import { STAGES, WORDS } from "./words.js";

const ACTS = [["accepted", "preparing"], ["waiting_for_slot", "submitted"], ["warming_up", "rendering"], ["collecting", "ready"]];
const ACT_ENDS = [0, .1, .22, .9, 1];
const OFFER_AFTER = 60, REASON_STAYS = 12000, CURTAIN_CALL = 1700;

/* Ranges are said in steps of five seconds, in minutes from 100 s on. */
const nice = seconds => `${Math.max(5, Math.round(seconds / 5) * 5)}`;
export function range(eta) {
  if (!eta || eta.p90 <= 5) return [WORDS.aMoment, ""];
  if (eta.p90 < 100) {
    const low = nice(eta.p50), high = nice(eta.p90);
    return [low === high ? high : `${low}–${high}`, WORDS.seconds];
  }
  const low = Math.max(1, Math.round(eta.p50 / 60)), high = Math.max(low, Math.ceil(eta.p90 / 60));
  return [low === high ? `${low}` : `${low}–${high}`, WORDS.minutes];
}

/** Put the wait on stage in the current document. Return what the upload needs: `sent(part)` of the photo, `attach(job)`
    once there is one, and `stop()`. `onCancel` is told while there is no job yet. */
export async function boot({ picture, face = null, isOwnPhoto = true, look, name = "", onCancel = () => {} }) {
  const root = $("[data-wait]"), canvas = $("canvas", root), frame = $(".stage__frame", root), panel = $(".wait__panel", root);
  const bar = $("[data-progress]", root), percent = $("[data-percent]", root), acts = $$(".acts li", root);
  const say = $("[data-stage]", root), about = $("[data-about]", root), clock = $("[data-clock]", root), ownTitle = "Selfie Hero";
  document.documentElement.dataset.look = look;
  $("[data-hero-name]", root).textContent = name;
  if (!isOwnPhoto) { canvas.removeAttribute("role"); canvas.removeAttribute("aria-label"); canvas.setAttribute("aria-hidden", "true"); }

  let job = null, progress = null, best = 0, spoken = "", shownPoster = "", posterTries = 0, told = null;
  const on = new AbortController();
  let begun = Date.now(), reasonTimer = 0, canceling = false;

  /* 1. the picture, before anything else */
  const stage = new Stage(canvas, { look });
  stage.onframe = (line, at) => {
    frame.style.setProperty("--line", `${line * 100}%`);
    if (at === told) return;
    told = at;
    ["--fx", "--fy", "--fw"].forEach((property, index) => frame.style.setProperty(property, String(at[index])));
  };
  if (face) picture.dataset.face = [face[0], face[1], face[2] * 2].join();
  await stage.show(picture);
  performance.mark("graded-shown");
  root.dataset.painter = stage.painter.kind;
  root.dataset.picture = isOwnPhoto ? "own" : "placeholder";

  /** The Line travels through the part of the picture that can be seen. */
  function place() {
    const picture = stage.canvas.getBoundingClientRect(), words = panel.getBoundingClientRect();
    const isCovered = words.left < picture.right - 8 && words.right > picture.left + 8 && words.top > picture.top && words.top < picture.bottom;
    const [from, to] = isCovered ? [.06, Math.max(.2, Math.min(1, (words.top + 28 - picture.top) / picture.height))] : [.04, 1];
    stage.progress = 0;
    stage.to = best >= 1 ? 1 : best > 0 ? from + (to - from) * best : 0;
  }
  addEventListener("resize", place, { signal: on.signal });

  /* 2. the words */
  function speak(key) {
    if (spoken === key || !STAGES[key]) return;
    spoken = key;
    root.dataset.stageKey = key;
    [say.textContent, about.textContent] = STAGES[key];
    stage.burst(.9);
  }

  function showNumbers() {
    const { position, eta_seconds: eta } = job.queue || {}, [number, unit] = range(eta);
    $("[data-range-label]", root).textContent = WORDS.readyIn;
    $("[data-range]", root).textContent = number;
    $("[data-unit]", root).textContent = unit;
    $("[data-ahead]", root).textContent = position > 0 ? WORDS.ahead(position) : WORDS.places[job.stage] || WORDS.yourTurn;
  }

  function showReason(reason) {
    const note = $("[data-reason]", root);
    if (reason) { clearTimeout(reasonTimer); reasonTimer = 0; if ($("span", note).textContent !== reason || note.hidden) showText(note, reason); }
    else if (!note.hidden && !reasonTimer) reasonTimer = setTimeout(() => { reasonTimer = 0; showText(note, ""); }, REASON_STAYS);
  }

  function showProgress() {
    const whole = Math.round(best * 100);
    bar.setAttribute("aria-valuenow", String(whole));
    percent.textContent = `${whole} %`;
    root.dataset.percent = String(whole);
    acts.forEach((act, index) => {
      fill(act, Math.min(1, Math.max(0, (best - ACT_ENDS[index]) / (ACT_ENDS[index + 1] - ACT_ENDS[index]))));
      act.toggleAttribute("data-now", ACTS[index].includes(job.stage));
    });
    place();
    showInTab(best);
    document.title = `${whole} % – ${(STAGES[spoken] || STAGES.accepted)[0]} – ${ownTitle}`;
  }

  /* Two plain images, dim below the Line and lit above it, so that a signed link on another host needs no permission. */
  function premiere(url) {
    const path = url.split("?")[0];
    if (path === shownPoster) return;
    shownPoster = path;
    const images = $$(".stage__poster", root);
    let loaded = 0;
    images.forEach(image => {
      image.onload = () => { if (++loaded === images.length) { stage.burst(1.2); root.classList.add("has-poster"); performance.mark("poster-shown"); } };
      image.onerror = () => { image.onerror = null; if (posterTries++ < 4) { shownPoster = ""; setTimeout(() => progress?.poll(), 1500); } };
      image.src = url;
    });
  }

  /** The picture in another look: chosen here or on another device. */
  function wear(slug) {
    look = slug;
    document.documentElement.dataset.look = slug;
    stage.wear(slug);
  }
  const others = mountOthers(root, { picture: isOwnPhoto ? picture : null, onChange: snapshot, signal: on.signal });

  /** After a minute: to be told, said once and easy to press. */
  function offer() {
    const button = $("[data-open=notify]", root), isWaiting = progress && job && !isFinal(job) && spoken !== "gone" && !button.hasAttribute("data-told");
    if (button.classList.contains("btn--main") === Boolean(isWaiting)) return;
    button.classList.toggle("btn--main", Boolean(isWaiting));
    showText($("[data-offer]", root), isWaiting ? WORDS.offerToTell : "");
  }

  /* 3. the truth */
  function snapshot(next) {
    job = next;
    root.dataset.seq = String(job.seq);
    root.dataset.status = job.status;
    speak(job.stage);
    best = Math.max(best, job.progress || 0);                    // never backwards
    showProgress();
    showNumbers();
    if (job.look !== look) wear(job.look);
    others.show(job, (Date.now() - begun) / 1000);
    showReason(job.queue?.reason);
    if (job.hero_name) $("[data-hero-name]", root).textContent = job.hero_name;
    if (job.links.poster) premiere(job.links.poster);
    if (job.status === "succeeded") wrap();
    else if (isFinal(job)) leave();
  }

  function gone() {
    speak("gone");
    restoreTab();
    forgetPhoto();
    orderEnded(job?.id);
    stage.stop();
    $(".stage", root).hidden = true;
    document.title = `${STAGES.gone[0]} – ${ownTitle}`;
    $$("[data-while], [data-progress]", root).forEach(node => { node.hidden = true; });
    showText($("[data-signal]", root), "");
    showText($("[data-reason]", root), "");
    const open = $("[data-open-film]", root);
    open.href = root.dataset.startUrl;
    open.textContent = WORDS.makeFilm;
    open.hidden = false;
  }

  function leave() { forgetPhoto(); orderEnded(job.id); location.replace(job.links.page); }

  function wrap() {
    root.classList.add("is-done");
    chime();
    speak("ready");
    clearTimeout(reasonTimer);
    showText($("[data-reason]", root), "");
    $("[data-open-film]", root).hidden = false;
    $$("[data-while]", root).forEach(node => { node.hidden = true; });
    showInTab(1, true);
    document.title = `✓ ${WORDS.filmReady} – ${ownTitle}`;
    const go = () => { if (!document.hidden) leave(); };
    setTimeout(go, CURTAIN_CALL);
    document.addEventListener("visibilitychange", go, { signal: on.signal });
  }

  function attach(first) {
    if (progress) return;
    const started = Date.parse(first.created_at);
    if (started && Math.abs(Date.now() - started) < 6 * 3600e3) begun = Math.min(Date.now(), started);
    $("[data-open-film]", root).href = first.links.page;
    mountReceipt(first);
    $("[data-sending]", root).hidden = true;
    $$("[data-accepted], [data-tools]", root).forEach(node => { node.hidden = false; });
    mountNotify(first, on.signal);
    mountPhone(first.links.page, on.signal);
    progress = new JobProgress(first, {
      onSnapshot: snapshot,
      onGone: gone,
      onSignal: (state, way) => {
        root.dataset.signal = state;
        root.dataset.way = way;
        showText($("[data-signal]", root), state === "lost" && navigator.onLine ? WORDS.quietLine : "");
      },
    });
    if (canceling) cancel();
  }

  function sent(part) {
    if (progress) return;
    $("[data-range]", root).textContent = String(Math.round(part * 100));
    $("[data-unit]", root).textContent = "%";
    document.title = `${Math.round(part * 100)} % – ${STAGES.sending[0]} – ${ownTitle}`;
  }

  /* 4. changing one's mind */
  const cancelButton = $("[data-cancel-job]"), cancelLabel = cancelButton.textContent;
  async function cancel() {
    canceling = true;
    cancelButton.textContent = WORDS.canceling;
    if (!progress) { onCancel(); return; }
    const answer = await call(progress.links.cancel, { method: "POST" });
    canceling = false;
    cancelButton.textContent = cancelLabel;
    $("#cancel").close();
    if (answer.ok || answer.status === 409) progress.poll();    // the server decides: canceled, or done a moment before
    else toast(WORDS.cancelFailed, "warn");
  }
  cancelButton.addEventListener("click", cancel);

  const pad = number => String(number).padStart(2, "0");
  const ticking = setInterval(() => {
    const seconds = Math.max(0, Math.floor((Date.now() - begun) / 1000));
    clock.textContent = `${pad(Math.floor(seconds / 60))}:${pad(seconds % 60)}`;
    if (seconds >= OFFER_AFTER) offer();
  }, 1000);

  function stop() {
    on.abort();
    clearInterval(ticking);
    clearTimeout(reasonTimer);
    stage.stop();
    progress?.stop();
    restoreTab();
  }

  showConnection();
  if ($("[data-accepted]", root).hidden) speak("sending");
  return { stage, sent, attach, stop };
}
