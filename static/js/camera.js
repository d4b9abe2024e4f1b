/* The camera sheet: mirrored preview with a face guide, 3-2-1, retake, use. Resolves with a canvas, or null when canceled;
   throws when there is no camera or it was not allowed. What is around the face guide is kept, the rest of the room is not. */
import { $ } from "./app.js";
import { cut } from "./photo.js";
import { CAMERA } from "./words.js";

const COUNT_STEP = 600;
/* In the guide's own drawing (its viewBox): the whole of it, its oval, and the portrait of 3 to 4 that is kept around it. */
const GUIDE = { width: 360, height: 560 }, OVAL = { x: 180, y: 230, width: 212 }, KEPT = { width: 360, height: 480, y: 14 };

/** Return what to keep of the camera's picture, in its own pixels, and where the face is in it. The guide and the video
    both cover the view and are centred in it. */
function around(video, view) {
  const guide = Math.max(view.width / GUIDE.width, view.height / GUIDE.height);
  const scale = guide / Math.max(view.width / video.videoWidth, view.height / video.videoHeight);   // drawing → camera's pixels
  const toX = x => video.videoWidth / 2 + (x - GUIDE.width / 2) * scale, toY = y => video.videoHeight / 2 + (y - GUIDE.height / 2) * scale;
  const left = Math.max(0, toX((GUIDE.width - KEPT.width) / 2)), right = Math.min(video.videoWidth, toX((GUIDE.width + KEPT.width) / 2));
  const top = Math.max(0, toY(KEPT.y)), bottom = Math.min(video.videoHeight, toY(KEPT.y + KEPT.height));
  const part = { x: left, y: top, width: right - left, height: bottom - top };
  const face = [(toX(OVAL.x) - left) / part.width, (toY(OVAL.y) - top) / part.height, OVAL.width * .8 * scale / part.width];
  return { part, face };
}

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
    const { part, face } = around(video, video.getBoundingClientRect());
    taken = cut(video, part);                                     // sent as others see you; only the preview is mirrored
    taken.dataset.face = face.join();
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
