/* How a page learns the truth about one job.

     page's own snapshot ─► socket (snapshot on connect, then every change) ─┐
                            GET links.self (2 s while the socket is away,    ├─► onSnapshot(job)
                            every 15 s anyway, at once after a gap)  ────────┘

   The socket may be blocked, dropped or late; nothing depends on it. Snapshots with a seq that is not newer are
   dropped; a reading over HTTP and a socket's first snapshot may repeat the seq, because positions move and signed
   links get renewed without one.
   It stops by itself when the job is final or gone. */
import { call } from "./api.js";

const POLL = 2000, REREAD = 15000, SLOWEST_POLL = 30000, SLOWEST_SOCKET = 30000, RESTART_SPREAD = 10000;
const FINAL = ["succeeded", "failed", "canceled"];
const RESTART = 1012, UNKNOWN_JOB = 4404;

export const isFinal = job => FINAL.includes(job.status);
/** Full jitter: anything between nothing and the ceiling, so that a thousand pages do not come back at once. */
const jitter = ceiling => Math.random() * ceiling;

export class JobProgress {
  /** `onSnapshot(job)` for every newer truth, `onGone()` when the job is not ours or not there any more,
      `onSignal(state)` with "live", "polling" or "lost" when the way the truth arrives changes. */
  constructor(job, { onSnapshot, onGone = () => {}, onSignal = () => {} }) {
    Object.assign(this, { links: job.links, onSnapshot, onGone, onSignal });
    this.seq = -1;
    this.done = this.paused = false;
    this.socketTries = this.failures = this.unheard = 0;
    this.wake = () => { if (!document.hidden) this.hurry(); };
    this.sleep = () => this.pause();
    this.show = event => { if (event.persisted) this.resume(); };
    this.on = new AbortController();
    const { signal } = this.on;
    addEventListener("online", this.wake, { signal });
    document.addEventListener("visibilitychange", this.wake, { signal });
    addEventListener("pagehide", this.sleep, { signal });        // an open socket would keep the page out of the back/forward cache
    addEventListener("pageshow", this.show, { signal });
    this.take(job, "page");
    if (!this.done) { this.connect(); this.plan(this.isOpen ? REREAD : POLL); }
  }

  get isOpen() { return this.socket?.readyState === WebSocket.OPEN; }

  /** Accept a snapshot if it says something new. */
  take(job, source) {
    if (this.done) return;
    const isReading = source === "http" || (source === "socket" && !this.heard);
    const isNewer = job.seq > this.seq, isReread = isReading && job.seq === this.seq;
    if (source === "socket" && this.heard && job.seq > this.seq + 1) this.rereadSoon();
    if (source === "http") this.checkSocket(isNewer);
    if (source === "socket") { this.heard = true; this.unheard = 0; }
    if (!isNewer && !isReread) return;
    this.seq = job.seq;
    if (job.links) this.links = job.links;
    if (isFinal(job)) this.stop();
    this.onSnapshot(job);
  }

  /* The socket ----------------------------------------------------------------------------------- */
  connect() {
    if (this.done || this.paused || !this.links.socket) return;
    clearTimeout(this.socketTimer);
    this.drop();
    const url = new URL(this.links.socket, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    url.searchParams.set("after", String(Math.max(0, this.seq)));
    let socket;
    try { socket = new WebSocket(url); } catch { return; }        // forbidden here: polling carries everything
    this.socket = socket;
    this.heard = false;
    socket.onopen = () => { this.socketTries = 0; this.signal("live"); this.plan(REREAD); };
    socket.onmessage = event => {
      let message;
      try { message = JSON.parse(event.data); } catch { return; }
      if (message.type === "job.snapshot" && message.job) this.take(message.job, "socket");
    };
    socket.onclose = event => { if (socket === this.socket) this.lost(event.code); };
  }

  lost(code) {
    this.socket = null;
    if (this.done || this.paused) return;
    this.signal("polling");
    this.plan(code === UNKNOWN_JOB ? 0 : jitter(POLL));           // the reading says whether the job is really gone
    if (code === UNKNOWN_JOB) return;
    const ceiling = code === RESTART ? RESTART_SPREAD : Math.min(SLOWEST_SOCKET, 1000 * 2 ** this.socketTries++);
    this.socketTimer = setTimeout(() => this.connect(), jitter(ceiling));
  }

  /** A socket that stays silent while readings find news is dead without knowing it. */
  checkSocket(foundNews) {
    if (!this.isOpen) return;
    this.unheard = foundNews ? this.unheard + 1 : 0;
    if (this.unheard > 1) { this.unheard = 0; this.connect(); }
  }

  drop() {
    const socket = this.socket;
    this.socket = null;
    if (socket) { socket.onopen = socket.onmessage = socket.onclose = null; socket.close(); }
  }

  /* Reading over HTTP ------------------------------------------------------------------------------ */
  plan(delay) {
    clearTimeout(this.pollTimer);
    if (!this.done && !this.paused) this.pollTimer = setTimeout(() => this.reread(), delay);
  }

  rereadSoon() { this.plan(100 + jitter(900)); }

  async reread() {
    if (this.done || this.reading) return;
    clearTimeout(this.pollTimer);
    this.reading = true;
    const answer = await call(this.links.self, { timeout: 10000 });
    this.reading = false;
    if (this.done || this.paused) return;
    if ([401, 403, 404, 410].includes(answer.status)) { this.stop(); this.onGone(answer.body); return; }
    if (answer.ok && answer.body) {
      this.failures = 0;
      if (!this.isOpen) this.signal("polling");
      this.take(answer.body, "http");
      this.plan(Math.max(this.isOpen ? REREAD : POLL, (answer.retryAfter || 0) * 1000));
      return;
    }
    this.failures++;
    if (this.failures > 1 && !this.isOpen) this.signal("lost");
    const backoff = Math.min(SLOWEST_POLL, POLL * 2 ** Math.min(this.failures, 5));
    this.plan((answer.retryAfter || 0) * 1000 + POLL / 2 + jitter(backoff));
  }

  signal(state) { if (state !== this.state) { this.state = state; this.onSignal(state); } }

  /* Coming and going -------------------------------------------------------------------------------- */
  /** Someone is looking, or the line is back: ask at once. */
  hurry() {
    if (this.done || this.paused) return;
    this.socketTries = 0;
    if (!this.isOpen) this.connect();
    this.reread();
  }

  pause() { this.paused = true; clearTimeout(this.pollTimer); clearTimeout(this.socketTimer); this.drop(); }

  resume() { if (!this.done) { this.paused = false; this.state = null; this.hurry(); } }

  stop() { this.done = true; this.on.abort(); clearTimeout(this.pollTimer); clearTimeout(this.socketTimer); this.drop(); }
}
