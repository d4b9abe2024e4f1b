/* How a page learns the state of one job. Three transports carry the same JSON, each used when the one before fails:

     socket ──(3 failures)──► server-sent events ──(3 failures)──► polling at the interval the server gives
        ▲                                                             │
        └──────── tried again after a minute, then two, then four ────┘

   Whatever the transport, GET links.self is polled every 15 s and after a gap, and every 2 s while no connection is open.
   So nothing depends on a connection: it may be blocked, dropped or late. A connection counts as alive from its first
   snapshot on, which the server sends at once; one that opens and stays silent has failed.
   A snapshot whose seq is not newer is dropped; a poll and a connection's first snapshot may repeat the seq, because
   positions move and signed links get renewed without one. All of it stops when the job is final or gone. */
import { call } from "./api.js";

const POLL = 2000, ALIVE_POLL = 15000, SLOWEST_POLL = 30000;
const MOST_FAILURES = 3, SLOWEST_RECONNECT = 30000, RESTART_SPREAD = 10000, SILENCE = 8000, STEADY = 10000;
const UPGRADE = 60000, SLOWEST_UPGRADE = 240000;
const FINAL = ["succeeded", "failed", "canceled"];
const RESTART = 1012, UNKNOWN_JOB = 4404, BROKEN = 1006;
const TRANSPORTS = ["socket", "stream"];

export const isFinal = job => FINAL.includes(job.status);
/** Full jitter: anything between nothing and the ceiling, so that a thousand pages do not come back at once. */
const jitter = ceiling => Math.random() * ceiling;

/* Transports ----------------------------------------------------------------------------------------- */

/** Open a connection. `onmessage(text)` for each message, `onend(code)` once when it ends; `close()` ends it without `onend`.
    Throws where this browser or the page's policy does not allow it. */
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
    source.addEventListener("end", event => { try { code = JSON.parse(event.data).code; } catch { /* as if the connection broke */ } });
    source.onerror = () => { source.close(); onend(code); };     // when to reconnect is decided here, for all transports alike
    return { close() { source.onerror = null; source.close(); } };
  },
};

export class JobProgress {
  /** `onSnapshot(job)` for every newer state, `onGone()` when the job is not ours or not there any more,
      `onSignal(state, way)` when the transport changes: "live" by "socket" or "stream", "polling", "lost". */
  constructor(job, { onSnapshot, onGone = () => {}, onSignal = () => {} }) {
    Object.assign(this, { links: job.links, onSnapshot, onGone, onSignal });
    this.seq = -1;
    this.done = this.paused = false;
    this.transport = this.connectFailures = this.tries = this.upgrades = this.failures = this.missed = 0;
    this.every = POLL;                                            // until the server says how often it wants to be asked
    this.on = new AbortController();
    const { signal } = this.on;
    addEventListener("online", () => { this.transport = this.upgrades = 0; this.hurry(); }, { signal });   // another network, perhaps
    addEventListener("offline", () => this.drop(), { signal });
    document.addEventListener("visibilitychange", () => { if (document.hidden) this.releaseStream(); else this.hurry(); }, { signal });
    addEventListener("pagehide", () => this.pause(), { signal });   // an open connection would keep the page out of the back/forward cache
    addEventListener("pageshow", event => { if (event.persisted) this.resume(); }, { signal });
    this.take(job, "page");
    if (!this.done) { this.connect(); this.plan(this.every); }
  }

  /** The transport that is alive right now, or null. */
  get way() { return this.connection?.isAlive ? this.connection.kind : null; }

  /** Accept a snapshot if it says something new. `source` is "page", "http", or the connection it came by. */
  take(job, source) {
    if (this.done) return;
    const isConnection = typeof source === "object", isFirst = isConnection && !source.isAlive;
    const isNewer = job.seq > this.seq, isRepeat = (source === "http" || isFirst) && job.seq === this.seq;
    if (isConnection && !isFirst && job.seq > this.seq + 1) this.plan(100 + jitter(900));
    if (source === "http") this.checkConnection(isNewer);
    if (isConnection) this.markAlive(source);
    if (!isNewer && !isRepeat) return;
    this.seq = job.seq;
    if (job.links) this.links = job.links;
    if (isFinal(job)) this.stop();
    this.onSnapshot(job);
  }

  /* Connecting ------------------------------------------------------------------------------------- */
  connect() {
    clearTimeout(this.connectTimer);
    if (this.done || this.paused || this.connection || !navigator.onLine) return;
    const kind = TRANSPORTS[this.transport], address = this.links[kind];
    if (!kind) return;                                            // only polling until the next upgrade
    if (!address) { this.fallBack(); return; }
    const connection = { kind, isAlive: false, begun: Date.now() };
    try {
      Object.assign(connection, OPENERS[kind](address, {
        onmessage: text => { if (connection === this.connection) this.read(text, connection); },
        onend: code => { if (connection === this.connection) this.lost(code); },
      }));
    } catch { this.fallBack(); return; }                              // forbidden here, or unknown to this browser
    this.connection = connection;
    this.silence = setTimeout(() => { if (connection === this.connection && !connection.isAlive) this.lost(BROKEN); }, SILENCE);
  }

  read(text, connection) {
    let message;
    try { message = JSON.parse(text); } catch { return; }
    if (message.type === "job.snapshot" && message.job) this.take(message.job, connection);
  }

  markAlive(connection) {
    this.missed = 0;
    if (connection.isAlive) return;
    connection.isAlive = true;
    connection.begun = Date.now();
    clearTimeout(this.silence);
    this.signal("live");
    this.plan(ALIVE_POLL);
  }

  lost(code) {
    const isSteady = this.connection?.isAlive && Date.now() - this.connection.begun > STEADY;
    this.drop();
    if (this.done || this.paused) return;
    this.signal("polling");
    this.plan(code === UNKNOWN_JOB ? 0 : jitter(this.every));       // the poll says whether the job is really gone
    if (code === UNKNOWN_JOB) return;
    if (code === RESTART) { this.later(RESTART_SPREAD); return; }
    if (isSteady) this.connectFailures = this.tries = this.upgrades = 0;
    if (++this.connectFailures >= MOST_FAILURES) this.fallBack(); else this.later(Math.min(SLOWEST_RECONNECT, 1000 * 2 ** this.tries++));
  }

  later(ceiling) {
    clearTimeout(this.connectTimer);
    this.connectTimer = setTimeout(() => this.connect(), jitter(ceiling));
  }

  /** Use the next transport; after the last one start again with the first, after a while. */
  fallBack() {
    this.transport++;
    this.tries = 0;
    this.connectFailures = this.upgrades ? MOST_FAILURES - 1 : 0;                       // during an upgrade one try of each transport is enough
    if (this.transport < TRANSPORTS.length) this.later(500);
    this.planUpgrade();
  }

  planUpgrade() {
    clearTimeout(this.upgradeTimer);
    const pause = Math.min(SLOWEST_UPGRADE, UPGRADE * 2 ** this.upgrades);
    this.upgradeTimer = setTimeout(() => this.upgrade(), pause + jitter(pause / 2));
  }

  /** Try the socket again; an open connection is closed for it. */
  upgrade() {
    if (this.done || this.paused || this.transport === 0) return;
    this.upgrades++;
    this.transport = 0;
    this.connectFailures = MOST_FAILURES - 1;
    this.drop();
    this.connect();
  }

  /** A connection that stays silent while polls find news is dead, although neither end has noticed. */
  checkConnection(foundNews) {
    if (!this.way) return;
    this.missed = foundNews ? this.missed + 1 : 0;
    if (this.missed > 1) { this.missed = 0; this.lost(BROKEN); }
  }

  drop() {
    clearTimeout(this.silence);
    const connection = this.connection;
    this.connection = null;
    connection?.close();
  }

  /** A browser opens six streams to one server in all its tabs; a hidden one can poll. */
  releaseStream() {
    if (this.connection?.kind !== "stream") return;
    this.drop();
    this.signal("polling");
    this.plan(this.every);
  }

  /* Polling ---------------------------------------------------------------------------------------- */
  plan(delay) {
    clearTimeout(this.pollTimer);
    if (!this.done && !this.paused) this.pollTimer = setTimeout(() => this.poll(), delay);
  }

  async poll() {
    if (this.done || this.isPolling) return;
    clearTimeout(this.pollTimer);
    this.isPolling = true;
    const answer = await call(this.links.self, { timeout: 10000 });
    this.isPolling = false;
    if (this.done || this.paused) return;
    if ([401, 403, 404, 410].includes(answer.status)) { this.stop(); this.onGone(answer.body); return; }
    if (answer.ok && answer.body) {
      this.failures = 0;
      this.every = answer.retryAfter ? answer.retryAfter * 1000 : POLL;
      if (!this.way) this.signal("polling");
      this.take(answer.body, "http");
      this.plan(Math.max(this.way ? ALIVE_POLL : 0, this.every));
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

  /* Pausing ------------------------------------------------------------------------------------------ */
  /** The page is visible or the network is back: poll at once, and connect when no connection is open. */
  hurry() {
    if (this.done || this.paused) return;
    if (!this.connection) {
      if (this.transport >= TRANSPORTS.length) this.transport = 0;
      this.connectFailures = this.upgrades ? MOST_FAILURES - 1 : 0;
      this.tries = 0;
      this.connect();
    }
    this.poll();
  }

  clear() { for (const timer of [this.pollTimer, this.connectTimer, this.upgradeTimer]) clearTimeout(timer); this.drop(); }
  pause() { this.paused = true; this.clear(); }
  resume() { if (!this.done) { this.paused = false; this.said = null; this.hurry(); } }
  stop() { this.done = true; this.on.abort(); this.clear(); }
}
