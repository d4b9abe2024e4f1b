/* The camera sheet: mirrored preview with a face guide, 3-2-1, retake, use. Resolves with a canvas, or null when canceled;
   throws when there is no camera or it was not allowed. */
import { $ } from "./app.js";
import { CAMERA } from "./words.js";

const COUNT_STEP = 600;

export async function takeSelfie(dialog) {
  const video = $("video", dialog), shot = $("[data-shot]", dialog), tip = $("[data-tip]", dialog), count = $("[data-count]", dialog);
  const guide = $("[data-guide]", dialog), live = $("[data-live]", dialog), review = $("[data-review]", dialog);
  const shutter = $("[data-shutter]", dialog);
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: false, video: { facingMode: "user", width: { ideal: 1280 }, height: { ideal: 1280 } },
  });
  let taken = null;
  const phase = reviewing => {
    live.hidden = reviewing;
    review.hidden = !reviewing;
    shot.hidden = !reviewing;
    guide.toggleAttribute("hidden", reviewing);
    tip.textContent = reviewing ? CAMERA.review : CAMERA.live;
  };
  video.srcObject = stream;
  dialog.showModal();
  await video.play().catch(() => {});
  phase(false);
  shutter.focus();

  async function snap() {
    shutter.disabled = true;
    for (const number of [3, 2, 1]) {
      count.textContent = number;
      await new Promise(resolve => setTimeout(resolve, COUNT_STEP));
    }
    count.textContent = "";
    shutter.disabled = false;
    if (!dialog.open || !video.videoWidth) return;
    taken = document.createElement("canvas");
    taken.width = video.videoWidth;
    taken.height = video.videoHeight;
    taken.getContext("2d").drawImage(video, 0, 0);               // sent as others see you; only the preview is mirrored
    shot.width = taken.width;
    shot.height = taken.height;
    const mirror = shot.getContext("2d");
    mirror.translate(shot.width, 0);
    mirror.scale(-1, 1);
    mirror.drawImage(taken, 0, 0);
    phase(true);
    $("[data-use]", dialog).focus();
  }

  return new Promise(resolve => {
    const off = new AbortController();
    const on = (selector, action) => $(selector, dialog).addEventListener("click", action, { signal: off.signal });
    const finish = value => {
      off.abort();
      stream.getTracks().forEach(track => track.stop());
      video.srcObject = null;
      if (dialog.open) dialog.close();
      resolve(value);
    };
    on("[data-shutter]", snap);
    on("[data-retake]", () => { taken = null; phase(false); shutter.focus(); });
    on("[data-use]", () => finish(taken));
    on("[data-cancel]", () => finish(null));
    dialog.addEventListener("close", () => finish(null), { signal: off.signal });
  });
}
