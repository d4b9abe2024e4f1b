/* The page behind a shared link: one film, one call to action. */
import { $, frugal, setIcon } from "./app.js";
import { mountScreen } from "./watch.js";
import { WORDS } from "./words.js";

const OLD = 60000;                                               // a film that fails later than this is probably shared no longer
const film = $("[data-shared]"), button = $("[data-sound]"), opened = Date.now();
film.controls = frugal;
if (!frugal) film.play().catch(() => { film.controls = true; });

function showSound() {
  button.setAttribute("aria-pressed", String(!film.muted));
  button.setAttribute("aria-label", film.muted ? WORDS.soundOn : WORDS.soundOff);
  setIcon(button, film.muted ? "mute" : "sound");
}
button.addEventListener("click", () => {
  film.muted = !film.muted;
  if (film.paused) film.play().catch(() => {});
});
const root = $(".shared"), screen = mountScreen(root, $("[data-screen]"), film);
film.addEventListener("click", () => { if (!film.controls) screen.watch(!root.classList.contains("is-watching")); });
$(".shared__words").addEventListener("focusin", () => screen.watch(false));
film.addEventListener("volumechange", showSound);
film.addEventListener("error", () => { if (Date.now() - opened > OLD) location.reload(); });
