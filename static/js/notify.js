/* Notifications: a push to this device, one e-mail, a chime on this page. No permission is asked for before a tap. */
import { $, showText, toast } from "./app.js";
import { call } from "./api.js";
import { WORDS } from "./words.js";

const KEY_URL = "/api/v1/push/key/", SUBSCRIPTIONS = "/api/v1/push/subscriptions/", CHIME = "hero-chime";
const canPush = "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;
const isApple = /iPad|iPhone|iPod/.test(navigator.userAgent) || (navigator.platform === "MacIntel" && navigator.maxTouchPoints > 1);
const isInstalled = matchMedia("(display-mode: standalone)").matches || navigator.standalone === true;

/* The chime: three soft notes, made here. Sound is allowed by the tap that asks for it. */
let audio = null, isWanted = false;
function unlock() {
  try { audio ??= new AudioContext(); audio.resume(); } catch { /* no sound here */ }
}
/** Play the chime if it was switched on. */
export function chime() {
  if (!isWanted) return;
  unlock();
  if (!audio) return;
  [659.26, 880, 1318.5].forEach((pitch, index) => {
    const tone = audio.createOscillator(), volume = audio.createGain(), at = audio.currentTime + index * .16;
    tone.frequency.value = pitch;
    volume.gain.setValueAtTime(0, at);
    volume.gain.linearRampToValueAtTime(.16, at + .02);
    volume.gain.exponentialRampToValueAtTime(.001, at + .9);
    tone.connect(volume).connect(audio.destination);
    tone.start(at);
    tone.stop(at + 1);
  });
}

function mountChime(box, signal) {
  try { isWanted = localStorage.getItem(CHIME) === "1"; } catch { /* asked again next time */ }
  box.checked = isWanted;
  box.addEventListener("change", () => {
    isWanted = box.checked;
    try { localStorage.setItem(CHIME, isWanted ? "1" : "0"); } catch { /* for this page only */ }
    chime();                                                       // so that it is heard once what was asked for
  }, { signal });
  if (isWanted) addEventListener("pointerdown", unlock, { once: true, signal });
}

const bytes = text => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), char => char.charCodeAt(0));
const isSameKey = (subscription, key) => {
  const used = new Uint8Array(subscription.options.applicationServerKey || []);
  return used.length === key.length && used.every((byte, index) => byte === key[index]);
};

/** Return this browser's subscription with the server's present key, made when there is none. */
async function subscribe() {
  const registration = await navigator.serviceWorker.ready, answer = await call(KEY_URL);
  if (!answer.ok) throw new Error("no key");
  const key = bytes(answer.body.key), existing = await registration.pushManager.getSubscription();
  if (existing && isSameKey(existing, key)) return existing;
  await existing?.unsubscribe();
  return registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
}

async function enroll(subscription, job) {
  const answer = await call(SUBSCRIPTIONS, { method: "POST", json: { ...subscription.toJSON(), job: job.id } });
  if (!answer.ok) throw new Error("not taken");
}

function mountPush(dialog, job, say, signal) {
  const button = $("[data-push]", dialog), error = $("[data-push-error]", dialog), hasMail = Boolean($("[data-email]", dialog));
  if (isApple && !isInstalled && !canPush) { button.hidden = true; $("[data-ios]", dialog).hidden = false; return; }
  const show = isOn => {
    button.setAttribute("aria-pressed", String(isOn));
    $("span", button).textContent = isOn ? WORDS.tellingDevice : WORDS.notifyDevice;
    say(isOn ? WORDS.tellingDevice : WORDS.tellMe);
  };
  async function turnOn() {
    // First of all: it has to be asked within the tap.
    if (await Notification.requestPermission() !== "granted") { showText(error, WORDS.pushRefused(hasMail)); return; }
    await enroll(await subscribe(), job);
    show(true);
    toast(WORDS.pushOn, "good");
  }
  async function turnOff() {
    const registration = await navigator.serviceWorker.ready, subscription = await registration.pushManager.getSubscription();
    if (subscription) {
      await call(SUBSCRIPTIONS, { method: "DELETE", json: { endpoint: subscription.endpoint } });
      await subscription.unsubscribe();
    }
    show(false);
    toast(WORDS.pushOff);
  }
  button.addEventListener("click", async () => {
    showText(error, "");
    if (!canPush) { showText(error, WORDS.pushUnknown(hasMail)); return; }
    button.disabled = true;
    try { await (button.getAttribute("aria-pressed") === "true" ? turnOff() : turnOn()); }
    catch { showText(error, WORDS.pushFailed); }
    button.disabled = false;
  }, { signal });
  if (!canPush) return;
  navigator.serviceWorker.register("/sw.js").then(async registration => {
    const existing = Notification.permission === "granted" && await registration.pushManager.getSubscription();
    // Turned on before, and maybe forgotten here since: say it again.
    if (existing) { await enroll(await subscribe(), job); show(true); }
  }).catch(() => { /* the tap says what is wrong */ });
}

function mountMail(form, dialog, job, say, signal) {
  const input = $("input", form), error = $("#email-error", form);
  const complain = text => { showText(error, text); input.setAttribute("aria-invalid", String(Boolean(text))); if (text) input.focus(); };
  form.addEventListener("submit", async event => {
    event.preventDefault();
    if (!input.value.trim() || !input.validity.valid) { complain(WORDS.mailBad); return; }
    complain("");
    const address = input.value.trim(), answer = await call(`${job.links.self}notify/`, { method: "POST", json: { email: address } });
    if (!answer.ok) { complain(answer.body?.detail || WORDS.pushFailed); return; }
    dialog.close();
    const isConfirmed = answer.body.email_confirmed;
    say(isConfirmed ? WORDS.tellingMail : WORDS.askingMail);
    toast(isConfirmed ? WORDS.mailOn(address) : WORDS.mailAsked(address), "good");
  }, { signal });
}

/** Let the dialog showText people about this job. */
export function mountNotify(job, signal) {
  const dialog = $("#notify"), label = $("[data-notify-label]"), form = dialog && $("[data-email]", dialog);
  if (!dialog) return;
  const asked = label.textContent, say = text => { label.textContent = text; label.parentElement.toggleAttribute("data-told", text !== asked); };
  mountPush(dialog, job, say, signal);
  if (form) mountMail(form, dialog, job, say, signal);
  mountChime($("[data-chime]", dialog), signal);
}
