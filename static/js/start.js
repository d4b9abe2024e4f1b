/* The start page: the Line, the look, the photo, the name, and one button that always knows the next step. */
import { $, $$, frugal, playWhenSeen, showText } from "./app.js";
import { mountCheck } from "./check.js";
import { mountLine } from "./line.js";
import { isPhoto, pack, silhouette, upright } from "./photo.js";
import { Stage } from "./stage.js";
import { takeDraft, takeShared } from "./store.js";
import { WORDS } from "./words.js";

const form = $("#make"), film = $(".film"), action = $("[data-action]"), photoBox = $("[data-photo]");
const heroName = $("#hero-name"), consent = $("#consent"), fileInput = $("#photo-file");
const maxBytes = Number(form.dataset.maxBytes), maxName = heroName.maxLength;
form.noValidate = true;                                          // this page says it in its own words
fileInput.tabIndex = -1;
mountLine(film);

/* Errors stand next to their field ----------------------------------------------------------------- */
function complain(field, text) {
  const line = $(`[data-error="${CSS.escape(field)}"]`, form) || $('[data-error="form"]', form);
  showText(line, text);
  if (line.dataset.error === "hero_name") heroName.setAttribute("aria-invalid", String(Boolean(text)));
  return line;
}
const hush = () => $$("[data-error]", form).forEach(line => complain(line.dataset.error, ""));

/* Look -------------------------------------------------------------------------------------------- */
const look = () => $("[name=look]:checked", form).value;
let photo = null, file = null, preview = null, isSending = false;

async function light() {                                          // the preview wears the look, without the opening scan
  preview.look = look();
  await preview.show(photo || silhouette());
  preview.begun -= 1500;
  preview.to = 1;
  preview.line = 1;
  if (preview.still) preview.paint(3);
}
function wear(slug) {
  document.documentElement.dataset.look = slug;
  $$("[data-film]", film).forEach(video => {
    const isOn = video.dataset.film === slug;
    video.classList.toggle("is-on", isOn);
    if (isOn && video.dataset.poster) video.poster = video.dataset.poster;  // only the first one comes with the page
    if (!isOn || frugal) { video.pause(); return; }
    if (!video.src) video.src = video.dataset.src;
    video.play().catch(() => {});
  });
  $$("[data-look-name]").forEach(node => { node.textContent = $("[name=look]:checked", form).dataset.name; });
  if (preview) light();
}
playWhenSeen($$(".look video"));

/* Photo ------------------------------------------------------------------------------------------- */
const check = mountCheck(form, { onFace: async face => {          // the light falls on the one who was meant
  if (!photo || isSending) return;
  photo.dataset.face = face.join();
  if (preview) await light();
  if (!isSending) ready();
} });
let warm = null;
async function accept(canvas, original) {
  photo = canvas;
  file = original;
  complain("selfie", "");
  $("[data-photo-none]").hidden = true;
  $("[data-photo-got]").hidden = false;
  const [before, after] = canvas ? WORDS.photoHere : WORDS.photoUnseen, name = $("[data-look-name]");
  $("[data-photo-words]").replaceChildren(before, name, after);
  photoBox.dataset.photo = canvas ? "seen" : "unseen";
  warm ??= import("./journey.js").then(({ warmUp }) => warmUp(form.dataset.waitUrl));
  preview ??= new Stage($("[data-photo-got] canvas"), { look: look(), width: 270 });
  ready();
  await light();
  performance.mark("photo-shown");
  await check.look(canvas);
  if (!isSending) ready();                                        // else the form is not on stage
}
async function open(chosen) {
  if (!chosen) return;
  if (!chosen.size) { complain("selfie", WORDS.emptyFile); return; }
  performance.mark("photo-picked");
  const canvas = await upright(chosen);
  if (!canvas && !(await isPhoto(chosen))) { complain("selfie", WORDS.notAPhoto); return; }
  if (!canvas && chosen.size > maxBytes) { complain("selfie", WORDS.tooBig(Math.floor(maxBytes / 1048576))); return; }
  await accept(canvas, chosen);
}
fileInput.addEventListener("change", () => { open(fileInput.files[0]); });
$$("[data-pick]").forEach(button => button.addEventListener("click", () => {
  fileInput.removeAttribute("capture");
  fileInput.value = "";
  fileInput.click();
}));
$$("[data-camera]").forEach(button => button.addEventListener("click", async () => {
  if (!navigator.mediaDevices?.getUserMedia) {                    // no secure address: the phone's own camera app is as good
    fileInput.setAttribute("capture", "user");
    fileInput.value = "";
    fileInput.click();
    return;
  }
  try {
    const { takeSelfie } = await import("./camera.js"), shot = await takeSelfie($("#camera"));
    if (shot) await accept(shot, null);
  } catch { complain("selfie", WORDS.noCamera); }
}));

/* The preview pauses while it cannot be seen. */
new IntersectionObserver(([{ isIntersecting }]) => {
  if (!preview || isSending) return;
  if (isIntersecting) preview.play(); else preview.pause();
}).observe(photoBox);

const holdsFiles = event => event.dataTransfer?.types.includes("Files");
for (const kind of ["dragenter", "dragover"]) {
  addEventListener(kind, event => { if (holdsFiles(event)) { event.preventDefault(); photoBox.classList.add("is-over"); } });
}
addEventListener("dragleave", event => { if (!event.relatedTarget) photoBox.classList.remove("is-over"); });
addEventListener("drop", event => {
  photoBox.classList.remove("is-over");
  if (!holdsFiles(event)) return;
  event.preventDefault();
  open(event.dataTransfer.files[0]);
  photoBox.scrollIntoView({ block: "center" });
});
addEventListener("paste", event => open(event.clipboardData?.files[0]));

/* Name -------------------------------------------------------------------------------------------- */
const FIRST = ["NOVA", "KAIRO", "VESPER", "ONYX", "RAIN", "HALO", "ECHO", "ZENITH", "MIRA", "SABLE", "ORBIT", "LYNX"];
const LAST = ["-7", " ZERO", "-X", " PRIME", " 88", " BLADE", "-13", " SIGNAL", " RUNNER"];
const pick = list => list[Math.floor(Math.random() * list.length)];
const suggest = button => { button.textContent = pick(FIRST) + pick(LAST); };
function showLeft() { $("[data-left]").textContent = maxName - heroName.value.length; }
$$("[data-suggest]").slice(1).forEach(suggest);
$$("[data-suggest]").forEach(button => button.addEventListener("click", () => {
  heroName.value = button.textContent;
  complain("hero_name", "");
  showLeft();
}));
$("[data-shuffle]").addEventListener("click", () => $$("[data-suggest]").forEach(suggest));
heroName.addEventListener("input", () => { complain("hero_name", ""); showLeft(); });

/* The one button ------------------------------------------------------------------------------------ */
function next() {
  if (!photo && !file) return [WORDS.addSelfie, photoBox];
  if (check.mustChoose()) return [WORDS.whichOne, check.choice];
  if (!consent.checked) return [WORDS.sayYes, consent];
  return [WORDS.makeFilm, null];
}
function ready() {
  $("[data-action-label]").textContent = next()[0];
  action.style.setProperty("--ready", String(((photo || file ? 1 : 0) + (consent.checked ? 1 : 0)) / 2));
  if (consent.checked) complain("consent", "");
}
form.addEventListener("change", event => {
  if (event.target.name === "look") { complain("look", ""); wear(look()); }
  ready();
});

form.addEventListener("submit", async event => {
  event.preventDefault();
  if (isSending) return;                                          // a double tap is one tap
  hush();
  const [, target] = next();
  if (target) {
    target.scrollIntoView({ block: "center" });
    if (target === consent) { complain("consent", WORDS.oneTick); consent.focus({ preventScroll: true }); }
    else if (target === check.choice) $("input", target).focus({ preventScroll: true });
    else $("[data-camera]", photoBox).focus({ preventScroll: true });
    return;
  }
  isSending = true;
  preview.pause();
  $("[data-action-label]").textContent = WORDS.sending;
  const { travel } = await import("./journey.js");
  const picture = photo ? preview.photo : silhouette(), face = photo ? preview.face : null;
  const problem = await travel({
    uploadUrl: form.dataset.uploadUrl, waitUrl: form.dataset.waitUrl, packed: pack(photo, file),
    look: look(), name: heroName.value.trim().toUpperCase(), keepsLong: Boolean($("#keep")?.checked), who: check.who(), picture, face, isOwnPhoto: Boolean(photo),
    onLeave: () => preview.stop(),
  });
  isSending = false;                                              // the form is back on stage, as it was
  if (preview) light();
  wear(look());
  ready();
  if (!problem) { action.focus({ preventScroll: true }); return; }
  const words = [problem.detail, problem.next_step].filter(Boolean).join(" ");
  const line = complain(problem.field || "form", words || WORDS.refused);
  line.scrollIntoView({ block: "center" });
  ({ selfie: $("[data-photo-got] [data-pick]"), hero_name: heroName, consent })[problem.field]?.focus({ preventScroll: true });
});

/* Forward again, into a wait this document no longer shows: load it by its own address. */
addEventListener("popstate", event => { if (event.state?.scene && !isSending) location.reload(); });

/* Where the visitor left off: an address that names a look, a take that ended, a form the browser kept. */
const draft = takeDraft(), wanted = new URLSearchParams(location.search).get("look") || draft?.look;
const radio = wanted && $(`[name=look][value="${CSS.escape(wanted)}"]`, form);
if (radio) radio.checked = true;
if (draft?.name) heroName.value = draft.name.slice(0, maxName);
if (fileInput.files[0]) open(fileInput.files[0]);
else if (new URLSearchParams(location.search).has("shared")) takeShared().then(open);
wear(look());
showLeft();
ready();
