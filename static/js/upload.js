/* One POST of the form. It never throws: the answer is a job, a problem, or a reason to try again. */
import { retryAfter } from "./api.js";

const TOO_LONG = 120000;

/** Resolve with one of
      { job }                       accepted, or the job this key already made
      { problem, status }           refused: a person has to change something
      { again, wait, problem }      full, or no answer: the same parcel may be sent again after `wait` seconds
      { aborted: true }             someone changed their mind. */
export function post(url, parcel, { onprogress, signal }) {
  return new Promise(resolve => {
    const request = new XMLHttpRequest(), form = new FormData();
    form.append("look", parcel.look);
    form.append("consent", "true");
    if (parcel.name) form.append("hero_name", parcel.name);
    if (parcel.keepsLong) form.append("keep", "long");
    if (parcel.who) form.append("face", parcel.who);
    form.append("selfie", parcel.blob, parcel.fileName);
    request.open("POST", url);
    request.timeout = TOO_LONG;
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("Idempotency-Key", parcel.key);
    request.upload.onprogress = event => { if (event.lengthComputable) onprogress(event.loaded / event.total); };
    request.upload.onload = () => onprogress(1);
    request.onload = () => resolve(understand(request));
    request.onerror = request.ontimeout = () => resolve({ again: true, lost: true, wait: null, problem: null });
    request.onabort = () => resolve({ aborted: true });
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(form);
  });
}

function understand(request) {
  const { status } = request, wait = retryAfter(request.getResponseHeader("Retry-After"));
  let body = null;
  try { body = JSON.parse(request.responseText); } catch { /* a proxy's page, or nothing */ }
  if (status >= 200 && status < 300 && body?.links) return { job: body };
  if (status === 429 || status === 503 || status === 507) return { again: true, lost: false, isFull: status === 507, isTooMany: status === 429, wait: wait || 30, problem: body };
  if (status >= 500 || (status >= 200 && status < 300)) return { again: true, lost: true, wait, problem: null };
  return { problem: body || {}, status };
}
