/* Shared by every page: toasts, dialogs, the offline strip, polite videos, countdowns. */
import { WORDS } from "./words.js";

export const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
export const frugal = calm || navigator.connection?.saveData === true;
export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

/** Read the JSON a template left in the page under this id, or null. */
export function pageData(id) {
  try { return JSON.parse(document.getElementById(id).textContent); } catch { return null; }
}

/** Load what the address says when it becomes another one. A page that took a wait's place at the wait's own address is,
    to a browser, still the start page's document: Back would change the address and nothing else. */
export function followAddress() {
  const { pathname } = location;
  addEventListener("popstate", () => { if (location.pathname !== pathname) location.reload(); });
}

/** Show another symbol of the sprite; the address of the sprite stays the one the server printed. */
export function setIcon(node, symbol) {
  const use = $("use", node);
  use.setAttribute("href", `${use.getAttribute("href").split("#")[0]}#${symbol}`);
}

export function toast(text, kind = "") {
  let home = $(".toasts");
  if (!home) {
    home = document.createElement("div");
    home.className = "toasts";
    home.setAttribute("role", "status");
    document.body.append(home);
  }
  const node = document.createElement("p");
  node.className = `toast ${kind && `toast--${kind}`}`;
  node.textContent = text;
  home.append(node);
  setTimeout(() => node.remove(), 6000);
}

/** Show a text in an error or note; an empty one hides it. */
export function showText(node, text) {
  if (!node) return;
  node.hidden = !text;
  $("span", node).textContent = text || "";
}

export function openDialog(id) {
  const dialog = document.getElementById(id);
  if (dialog && !dialog.open) dialog.showModal();
  return dialog;
}

function isOutside(dialog, { clientX, clientY }) {
  const box = dialog.getBoundingClientRect();
  return clientY < box.top || clientY > box.bottom || clientX < box.left || clientX > box.right;
}

document.addEventListener("click", event => {
  const opener = event.target.closest("[data-open]"), closer = event.target.closest("[data-close]");
  if (opener) { event.preventDefault(); openDialog(opener.dataset.open); }
  if (closer) closer.closest("dialog")?.close();
  if (event.target.matches("dialog.dialog") && isOutside(event.target, event)) event.target.close();
});

/* The offline strip ------------------------------------------------------------------------------ */
let strip;
/* From the first page on, being offline is a page of ours. */
addEventListener("load", () => { navigator.serviceWorker?.register("/sw.js").catch(() => {}); });
export function showConnection(online = navigator.onLine) {
  if (online) {
    if (strip) { strip.remove(); strip = null; toast(WORDS.online, "good"); }
    return;
  }
  if (!strip) {
    strip = document.createElement("p");
    strip.className = "strip";
    strip.setAttribute("role", "status");
    strip.dataset.offline = "";
    strip.textContent = WORDS.offline;
  }
  if (!strip.isConnected) document.body.append(strip);
}
addEventListener("online", () => showConnection(true));
addEventListener("offline", () => showConnection(false));
if (!navigator.onLine) showConnection(false);

/** Play loops only while they are seen, and not at all when someone asked for less motion or less data. */
export function playWhenSeen(videos) {
  if (frugal) return;
  const seen = new IntersectionObserver(entries => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) { target.pause(); continue; }
      if (!target.src && target.dataset.src) target.src = target.dataset.src;
      target.play()?.catch(() => {});
    }
  }, { rootMargin: "80px" });
  videos.forEach(video => seen.observe(video));
}

/** Fill a bar; the policy allows no style attributes, so numbers travel as custom properties. */
export const fill = (node, value) => { node.style.setProperty("--fill", String(value)); };

/* "23 h 41 min", counted down in every <time data-until datetime="…">. */
function left(milliseconds) {
  const minutes = Math.max(0, Math.floor(milliseconds / 60000)), hours = Math.floor(minutes / 60), days = Math.floor(hours / 24);
  if (!minutes) return WORDS.lessThanAMinute;
  return days > 1 ? WORDS.timeLeft(days, hours % 24, 0) : WORDS.timeLeft(0, hours, minutes % 60);
}
const clocks = $$("time[data-until]").filter(clock => !Number.isNaN(Date.parse(clock.dateTime)));
if (clocks.length) {
  const tick = () => clocks.forEach(clock => { clock.textContent = left(Date.parse(clock.dateTime) - Date.now()); });
  tick();
  setInterval(tick, 20000);
}

/** A skipped transition is not an error: the page changes all the same. */
export function allowSkip(transition) {
  for (const part of ["ready", "finished", "updateCallbackDone"]) transition?.[part]?.catch(() => {});
}
