/* How a page learns the truth about one job. A ladder of three ways, the same JSON on each:

     socket ──(3 failures)──► server-sent events ──(3 failures)──► polling at the interval the server gives
        ▲                                                             │
        └──────── tried again after a minute, then two, then four ────┘

   Whatever the rung, GET links.self is asked every 15 s and after a gap, and every 2 s while no line is open. So nothing
   depends on a line: it may be blocked, dropped or late. A line counts from its first snapshot on, which the server sends
   at once; one that opens and stays silent has failed.
   Snapshots with a seq that is not newer are dropped; a reading and a line's first snapshot may repeat the seq, because
   positions move and signed links get renewed without one. All of it stops when the job is final or gone. */
import { call } from "./api.js";

const POLL = 2000, REREAD = 15000, SLOWEST_POLL = 30000;
const FALLS = 3, SLOWEST_LINE = 30000, RESTART_SPREAD = 10000, SILENCE = 8000, STEADY = 10000;
const CLIMB = 60000, SLOWEST_CLIMB = 240000;
const FINAL = ["succeeded", "failed", "canceled"];
const RESTART = 1012, UNKNOWN_JOB = 4404, BROKEN = 1006;
const RUNGS = ["socket", "stream"];

export const isFinal = job => FINAL.includes(job.status);
/** Full jitter: anything between nothing and the ceiling, so that a thousand pages do not come back at once. */
const jitter = ceiling => Math.random() * ceiling;

/* The lines ------------------------------------------------------------------------------------------ */

/** Open a line. `onmessage(text)` for what it says, `onend(code)` once when it is over; `close()` ends it quietly.
    Throws where this browser or its rules know no such line. */
const OPENERS = {
  socket(address, { onmessage, onend }) {
    const url = new URL(address, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url);
    socket.onmessage = event => onmessage(event.data);
    socket.onclose = event => onend(event.code);
    return { close() { socket.onmessage = socket.onclose = null; socket.close(); } };
  },
  stream(address, { onmessage, onend }) {
    const source = new EventSource(address);
    let code = BROKEN;
    source.addEventListener("snapshot", event => onmessage(event.data));
    source.addEventListener("end", event => { try { code = JSON.parse(event.data).code; } catch { /* as if it broke */ } });
    source.onerror = () => { source.close(); onend(code); };     // when to come back is decided here, for all lines alike
    return { close() { source.onerror = null; source.close(); } };
  },
};

export class JobProgress {
  /** `onSnapshot(job)` for every newer truth, `onGone()` when the job is not ours or not there any more,
      `onSignal(state, way)` when the way the truth arrives changes: "live" by "socket" or "stream", "polling", "lost". */
  constructor(job, { onSnapshot, onGone = () => {}, onSignal = () => {} }) {
    Object.assign(this, { links: job.links, onSnapshot, onGone, onSignal });
    this.seq = -1;
    this.done = this.paused = false;
    this.rung = this.falls = this.tries = this.climbs = this.failures = this.unheard = 0;
    this.every = POLL;                                            // until the server says how often it wants to be asked
    this.on = new AbortController();
    const { signal } = this.on;
    addEventListener("online", () => { this.rung = this.climbs = 0; this.hurry(); }, { signal });   // another network, perhaps
    addEventListener("offline", () => this.drop(), { signal });
    document.addEventListener("visibilitychange", () => { if (document.hidden) this.yieldPlace(); else this.hurry(); }, { signal });
    addEventListener("pagehide", () => this.pause(), { signal });   // an open line would keep the page out of the back/forward cache
    addEventListener("pageshow", event => { if (event.persisted) this.resume(); }, { signal });
    this.take(job, "page");
    if (!this.done) { this.connect(); this.plan(this.every); }
  }

  /** The way by which news come by themselves right now, or null. */
  get way() { return this.line?.heard ? this.line.kind : null; }

  /** Accept a snapshot if it says something new. `source` is "page", "http", or the line it came by. */
  take(job, source) {
    if (this.done) return;
    const isLine = typeof source === "object", isFirst = isLine && !source.heard;
    const isNewer = job.seq > this.seq, isReread = (source === "http" || isFirst) && job.seq === this.seq;
    if (isLine && !isFirst && job.seq > this.seq + 1) this.plan(100 + jitter(900));
    if (source === "http") this.checkLine(isNewer);
    if (isLine) this.hear(source);
    if (!isNewer && !isReread) return;
    this.seq = job.seq;
    if (job.links) this.links = job.links;
    if (isFinal(job)) this.stop();
    this.onSnapshot(job);
  }

  /* The ladder ------------------------------------------------------------------------------------- */
  connect() {
    clearTimeout(this.lineTimer);
    if (this.done || this.paused || this.line || !navigator.onLine) return;
    const kind = RUNGS[this.rung], address = this.links[kind];
    if (!kind) return;                                            // polling carries everything until the next climb
    if (!address) { this.fall(); return; }
    const line = { kind, heard: false, begun: Date.now() };
    try {
      Object.assign(line, OPENERS[kind](address, {
        onmessage: text => { if (line === this.line) this.read(text, line); },
        onend: code => { if (line === this.line) this.lost(code); },
      }));
    } catch { this.fall(); return; }                              // forbidden here, or unknown to this browser
    this.line = line;
    this.silence = setTimeout(() => { if (line === this.line && !line.heard) this.lost(BROKEN); }, SILENCE);
  }

  read(text, line) {
    let message;
    try { message = JSON.parse(text); } catch { return; }
    if (message.type === "job.snapshot" && message.job) this.take(message.job, line);
  }

  hear(line) {
    this.unheard = 0;
    if (line.heard) return;
    line.heard = true;
    line.begun = Date.now();
    clearTimeout(this.silence);
    this.signal("live");
    this.plan(REREAD);
  }

  lost(code) {
    const isSteady = this.line?.heard && Date.now() - this.line.begun > STEADY;
    this.drop();
    if (this.done || this.paused) return;
    this.signal("polling");
    this.plan(code === UNKNOWN_JOB ? 0 : jitter(this.every));       // the reading says whether the job is really gone
    if (code === UNKNOWN_JOB) return;
    if (code === RESTART) { this.later(RESTART_SPREAD); return; }
    if (isSteady) this.falls = this.tries = this.climbs = 0;
    if (++this.falls >= FALLS) this.fall(); else this.later(Math.min(SLOWEST_LINE, 1000 * 2 ** this.tries++));
  }

  later(ceiling) {
    clearTimeout(this.lineTimer);
    this.lineTimer = setTimeout(() => this.connect(), jitter(ceiling));
  }

  /** One rung down; from the last one the way is up again, after a while. */
  fall() {
    this.rung++;
    this.tries = 0;
    this.falls = this.climbs ? FALLS - 1 : 0;                       // on a climb, one try a rung is enough to know
    if (this.rung < RUNGS.length) this.later(500);
    this.planClimb();
  }

  planClimb() {
    clearTimeout(this.climbTimer);
    const pause = Math.min(SLOWEST_CLIMB, CLIMB * 2 ** this.climbs);
    this.climbTimer = setTimeout(() => this.climb(), pause + jitter(pause / 2));
  }

  /** Try the socket again; the line that is there, if any, makes room for it. */
  climb() {
    if (this.done || this.paused || this.rung === 0) return;
    this.climbs++;
    this.rung = 0;
    this.falls = FALLS - 1;
    this.drop();
    this.connect();
  }

  /** A line that stays silent while readings find news is dead without knowing it. */
  checkLine(foundNews) {
    if (!this.way) return;
    this.unheard = foundNews ? this.unheard + 1 : 0;
    if (this.unheard > 1) { this.unheard = 0; this.lost(BROKEN); }
  }

  drop() {
    clearTimeout(this.silence);
    const line = this.line;
    this.line = null;
    line?.close();
  }

  /** A browser opens six streams to one server in all its tabs; one that nobody looks at can poll. */
  yieldPlace() {
    if (this.line?.kind !== "stream") return;
    this.drop();
    this.signal("polling");
    this.plan(this.every);
  }

  /* Reading over HTTP ------------------------------------------------------------------------------ */
  plan(delay) {
    clearTimeout(this.pollTimer);
    if (!this.done && !this.paused) this.pollTimer = setTimeout(() => this.reread(), delay);
  }

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
      this.every = answer.retryAfter ? answer.retryAfter * 1000 : POLL;
      if (!this.way) this.signal("polling");
      this.take(answer.body, "http");
      this.plan(Math.max(this.way ? REREAD : 0, this.every));
      return;
    }
    this.failures++;
    if (this.failures > 1 && !this.way) this.signal("lost");
    const backoff = Math.min(SLOWEST_POLL, POLL * 2 ** Math.min(this.failures, 5));
    this.plan((answer.retryAfter || 0) * 1000 + POLL / 2 + jitter(backoff));
  }

  signal(state) {
    const said = `${state} ${this.way}`;
    if (said !== this.said) { this.said = said; this.onSignal(state, this.way || "polling"); }
  }

  /* Coming and going -------------------------------------------------------------------------------- */
  /** Someone is looking, or the network is back: ask at once, and open a line when none is there. */
  hurry() {
    if (this.done || this.paused) return;
    if (!this.line) {
      if (this.rung >= RUNGS.length) this.rung = 0;
      this.falls = this.climbs ? FALLS - 1 : 0;
      this.tries = 0;
      this.connect();
    }
    this.reread();
  }

  clear() { for (const timer of [this.pollTimer, this.lineTimer, this.climbTimer]) clearTimeout(timer); this.drop(); }
  pause() { this.paused = true; this.clear(); }
  resume() { if (!this.done) { this.paused = false; this.said = null; this.hurry(); } }
  stop() { this.done = true; this.on.abort(); this.clear(); }
}
