/* The full house: a ring that counts down, then the next try. The same on the 503 page and in place of the form. */
import { $ } from "./app.js";
import { WORDS } from "./words.js";

/** Count down once and resolve when it is time, when someone presses "Try now", or when the network is back. */
export function countDown(root, seconds) {
  const number = $("[data-count]", root), ring = $("[data-ring]", root), aloud = $("[data-count-live]", root);
  return new Promise(resolve => {
    const off = new AbortController(), until = Date.now() + seconds * 1000;
    const finish = () => { off.abort(); clearInterval(timer); aloud.textContent = WORDS.tryingNow; resolve(); };
    const tick = () => {
      const left = Math.max(0, Math.ceil((until - Date.now()) / 1000));
      number.textContent = left;
      ring.style.setProperty("--fill", String(left / seconds));
      if (left === 10 && seconds > 10) aloud.textContent = WORDS.tenSeconds;
      if (left === 0 && navigator.onLine) finish();
    };
    const timer = setInterval(tick, 250);
    $("[data-try]", root).addEventListener("click", event => { event.preventDefault(); finish(); }, { signal: off.signal });
    addEventListener("online", finish, { signal: off.signal });
    tick();
  });
}
