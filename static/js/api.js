/* Small same-origin calls. Every answer comes back as { status, ok, body, retryAfter }; a lost line has status 0. */

/** Seconds a server asked us to wait, between 1 and 600, or null. Dates and numbers both count. */
export function retryAfter(value) {
  if (!value) return null;
  const seconds = /^\s*\d+(\.\d+)?\s*$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.min(600, Math.max(1, Math.ceil(seconds))) : null;
}

export async function call(url, { method = "GET", timeout = 15000, json = null, form = null, key = "" } = {}) {
  const headers = { Accept: "application/json", ...(json && { "Content-Type": "application/json" }), ...(key && { "Idempotency-Key": key }) };
  const limit = new AbortController(), timer = setTimeout(() => limit.abort(), timeout);
  try {
    const answer = await fetch(url, {
      method, signal: limit.signal, credentials: "same-origin", cache: "no-store", headers,
      body: json ? JSON.stringify(json) : form && new URLSearchParams(form),
    });
    const body = await answer.json().catch(() => null);
    return { status: answer.status, ok: answer.ok, body, retryAfter: retryAfter(answer.headers.get("Retry-After")) };
  } catch {
    return { status: 0, ok: false, body: null, retryAfter: null };
  } finally {
    clearTimeout(timer);
  }
}
