/* The first picture: paints the visitor's own photo, in the browser, before any server has answered.

   new Stage(canvas, { look }) → await stage.show(imageOrCanvas) → stage.progress = 0.4 → stage.burst()
   One WebGL2 pass; a 2D canvas where WebGL is missing; one still frame with reduced motion.
   Nothing here reads the network, and no pixel leaves the page. */
import { guessFace } from "./face.js";

export const W = 540, H = 960;
const LIGHTS = {
  "neon-noir": { a: [1, .16, .59], b: [0, .86, 1], sun: [1, .42, .24], ink: [.035, .02, .09], beam: [.10, .80, 1] },
  "chrome-samurai": { a: [1, .24, .12], b: [1, .75, .35], sun: [.95, .13, .08], ink: [.07, .015, .02], beam: [1, .46, .32] },
  "netrunner": { a: [.24, 1, .55], b: [.47, .47, 1], sun: [.1, .72, .5], ink: [.01, .05, .05], beam: [.34, .95, .64] },
  "daybreak": { a: [1, .82, .50], b: [.55, .74, 1], sun: [1, .88, .60], ink: [.17, .21, .30], beam: [1, .84, .50] },
  "dust-nomad": { a: [1, .56, .20], b: [.19, .74, .73], sun: [.95, .55, .22], ink: [.05, .05, .05], beam: [.34, .92, .85] },
  "frost-warden": { a: [.30, .55, .92], b: [.68, .76, 1], sun: [.62, .72, .86], ink: [.02, .04, .10], beam: [.62, .87, 1] },
};

const VERTEX = `#version 300 es
in vec2 p; out vec2 uv; void main() { uv = vec2(p.x, -p.y) * .5 + .5; gl_Position = vec4(p, 0., 1.); }`;

const FRAGMENT = `#version 300 es
precision highp float;
in vec2 uv; out vec4 outColour;
uniform sampler2D photo; uniform vec2 size; uniform vec3 face;      // face: x, y, half width (in widths)
uniform float t, line, scan, glitch; uniform vec3 lightA, lightB, sun, ink, tint;
const float ASPECT = 16. / 9.;
float hash(vec2 v) { v = fract(v * vec2(123.34, 456.21)); v += dot(v, v + 45.32); return fract(v.x * v.y); }
float luma(vec3 c) { return dot(c, vec3(.3, .59, .11)); }
float soft(vec2 q, float lod) { return luma(textureLod(photo, q, lod).rgb); }
float rain(vec2 p, float columns, float speed, float seed) {
  p.x += p.y * .06; float c = floor(p.x * columns), h = hash(vec2(c, seed));
  float y = fract(p.y * (.7 + h * .5) - t * speed * (.7 + h * .6) + h * 9.);
  float x = abs(fract(p.x * columns) - .5) * 2.;
  return smoothstep(.90, 1., y) * smoothstep(.30, 0., x) * step(.55, h);
}
void main() {
  // a slow push towards the face, and a breath sideways
  float zoom = 1. + .085 * (1. - exp(-t * .045));
  vec2 q = face.xy + (uv - face.xy) / zoom + vec2(sin(t * .35) * .004, 0.);
  float d = uv.y - line, nearLine = exp(-abs(d) * 42.);

  // slices that slip, blocks that break up where the line passes
  float row = floor(uv.y * 34.), beat = floor(t * 15.), slip = hash(vec2(row, beat));
  q.x += step(.74, slip) * (slip - .87) * .42 * glitch;
  vec2 cell = floor(q * vec2(45., 80.)); float broken = step(hash(cell + beat), nearLine * .85);
  q = mix(q, (cell + .5) / vec2(45., 80.), broken * .8);
  float split = .0016 + .016 * glitch + .007 * nearLine;
  vec3 src = vec3(texture(photo, q + vec2(split, 0.)).r, texture(photo, q).g, texture(photo, q - vec2(split, 0.)).b);

  // shape of a head and shoulders around the face; everything else falls into the night
  vec2 f = (q - face.xy) * vec2(1., ASPECT) / face.z;
  float head = length(f * vec2(.80, .60) + vec2(0., .04));
  float neck = smoothstep(1.0, 2.5, f.y), body = abs(f.x) / mix(.80, 3.0, neck);
  float mask = max(smoothstep(1.22, .86, head), smoothstep(1.15, .70, body) * smoothstep(.7, 1.5, f.y));
  // a plain wall behind the head is taken out by its colour, sampled left and right of the face
  vec3 here = textureLod(photo, q, 1.5).rgb, wallL = textureLod(photo, vec2(.04, face.y - .06), 4.).rgb, wallR = textureLod(photo, vec2(.96, face.y - .06), 4.).rgb;
  float key = smoothstep(.06, .20, min(distance(here, wallL), distance(here, wallR)));
  mask *= mix(key, 1., smoothstep(.95, .62, head));

  // a soft relight: the blurred photo's slope stands in for a normal
  float l = luma(src), e = 7. / size.x;
  float gx = soft(q + vec2(e, 0.), 3.) - soft(q - vec2(e, 0.), 3.);
  float fx = luma(textureLod(photo, q + vec2(2. / size.x, 0.), 1.).rgb) - luma(textureLod(photo, q - vec2(2. / size.x, 0.), 1.).rgb);
  float fy = luma(textureLod(photo, q + vec2(0., 2. / size.y), 1.).rgb) - luma(textureLod(photo, q - vec2(0., 2. / size.y), 1.).rgb);
  float edge = smoothstep(.05, .34, length(vec2(fx, fy)) * 1.6);
  float nx = clamp(f.x * .62 - gx * 1.5, -1., 1.);
  float tone = smoothstep(.03, .96, l); tone = mix(tone, tone * tone, .45);

  // 1. the hero's grade: two coloured lights, a dim centre, bright rims
  float left = smoothstep(.05, -.85, nx), right = smoothstep(-.05, .85, nx), flick = .94 + .06 * sin(t * 9.) * sin(t * 3.7);
  vec3 hero = mix(vec3(luma(src)), src, .55) * (.20 + .26 * (1. - left) * (1. - right)) * 1.25;
  hero += tone * (lightA * left * 1.05 * flick + lightB * right * 1.0) + ink * .6;
  hero += edge * .30 * (lightA * left + lightB * right + .12);
  float rim = smoothstep(.45, .08, mask) * smoothstep(.0, .12, mask);
  hero += rim * mix(lightA, lightB, step(0., f.x)) * .30;
  // the night behind: a sun, bars of light, haze
  vec2 s = (uv - vec2(face.x, face.y - .035)) * vec2(1., ASPECT); float disc = length(s);
  vec3 night = ink + sun * (.95 * smoothstep(face.z * 1.88, face.z * 1.84, disc) * smoothstep(-.5, .25, -s.y + .08)) + sun * .30 * exp(-disc * 3.2);
  for (int i = 0; i < 2; i++) {
    float n = i == 0 ? 15. : 31., x = uv.x + (i == 0 ? .004 : .010) * t * .3, k = floor(x * n), h = hash(vec2(k, float(i)));
    float far = smoothstep(.18, .5, abs(uv.x - .5)), bar = smoothstep(.5, .2, abs(fract(x * n) - .5) * (1.4 + h));
    float top = .10 + .45 * hash(vec2(k, 7.)), bottom = top + .12 + .4 * h;
    bar *= smoothstep(top, top + .01, uv.y) * smoothstep(bottom, bottom - .01, uv.y) * (.75 + .25 * sin(t * (1. + h) + h * 20.));
    night += step(.62, h) * bar * far * mix(lightA, lightB, step(.5, uv.x)) * (i == 0 ? .42 : .25);
  }
  night *= smoothstep(1.05, .25, uv.y);
  hero = mix(night, hero, smoothstep(.12, .78, mask));

  // 2. the plate: before the line comes by, a drawing of light on ink
  vec3 cold = mix(tint, vec3(.75, .85, .95), .12);
  vec3 plate = ink * .9 + cold * (.07 + .50 * tone) * (.25 + .75 * mask) * (.86 + .14 * sin(uv.y * size.y * 1.6));
  plate += edge * (.25 + .75 * mask) * mix(cold, vec3(1.), .3) * .50;
  // a mesh of triangles lies on the face, curved as it is, and a glint runs down over it
  vec2 m = (f * (1. + .10 * dot(f, f)) + .5 * vec2(soft(q + vec2(e, 0.), 5.) - soft(q - vec2(e, 0.), 5.), 0.)) * 4.6;
  vec3 tri = abs(fract(vec3(m.y, m.x * .866 + m.y * .5, m.x * .866 - m.y * .5)) - .5);
  float mesh = smoothstep(.455, .495, max(tri.x, max(tri.y, tri.z))), run = fract(f.y * .28 - t * .22);
  plate += mix(cold, vec3(1.), .25) * mesh * smoothstep(1.12, .72, head) * (.10 + .75 * pow(run, 5.));
  vec2 g = abs(fract(uv * vec2(9., 16.)) - .5); plate += cold * .07 * step(.492, max(g.x, g.y));

  vec3 c = mix(plate, hero, max(smoothstep(.004, -.004, d), glitch * step(.5, slip)));
  c = mix(src * .92, c, smoothstep(.0, .012, scan - uv.y));                 // the opening scan
  float beam = exp(-abs(uv.y - scan) * 70.) * step(scan, 1.02), wake = exp(-max(0., scan - uv.y) * 6.) * step(uv.y, scan) * step(scan, 1.4);
  c += mix(tint, vec3(1.), .35) * (beam * 1.3 + wake * .12);

  c += (rain(uv, 46., 1.5, 1.) * .30 + rain(uv * 1.7, 60., 1.1, 2.) * .15) * mix(lightB, vec3(1.), .5);
  for (int i = 0; i < 2; i++) {                                              // embers
    vec2 v = uv * vec2(7., 12.) * (1. + float(i) * .8) + vec2(sin(t * .3 + float(i)), t * (.35 + .2 * float(i))), id = floor(v); float h = hash(id);
    vec2 o = fract(v) - .5 - (vec2(h, hash(id + 3.)) - .5) * .6; c += step(.72, h) * smoothstep(.055, 0., length(o)) * (.5 + .5 * sin(t * 3. + h * 40.)) * mix(lightA, lightB, h) * .9;
  }
  c += mix(tint, vec3(1.), .45) * (exp(-abs(d) * 420.) + .22 * exp(-abs(d) * 34.)) * step(.001, line) * step(line, .999);
  c *= 1. - .35 * pow(length((uv - .5) * vec2(1.1, 1.)) * 1.25, 2.4);
  c += (hash(uv * size + fract(t) * 61.) - .5) * .045;
  outColour = vec4(c, 1.);
}`;

/** Where the face is in a picture, as x, y and width in parts of it: as the source says, as the platform's face detector
    finds, as its colours suggest, or where most selfies have it. */
async function placeOfFace(source, width, height) {
  if (source.dataset?.face) return source.dataset.face.split(",").map(Number);
  if ("FaceDetector" in window) {
    try {
      const [found] = await new window.FaceDetector({ maxDetectedFaces: 1, fastMode: true }).detect(source);
      if (found) { const box = found.boundingBox; return [(box.x + box.width / 2) / width, (box.y + box.height / 2) / height, box.width / width]; }
    } catch { /* announced, but not there */ }
  }
  return guessFace(source, width, height) || [.5, .36, .30];
}

/** Cut a photo to 9:16 around its face. */
export async function frame(source) {
  const sw = source.naturalWidth || source.videoWidth || source.width, sh = source.naturalHeight || source.videoHeight || source.height;
  const [fx, fy, fw] = await placeOfFace(source, sw, sh);
  const canvas = document.createElement("canvas"); canvas.width = W; canvas.height = H;
  const scale = Math.max(W / sw, H / sh, Math.min(2.6 * H / sh, .40 * W / (fw * sw)));
  const w = sw * scale, h = sh * scale;
  const x = Math.min(0, Math.max(W - w, W * .5 - fx * w)), y = Math.min(H * .12, Math.max(H - h, H * .34 - fy * h));
  const c = canvas.getContext("2d", { willReadFrequently: true });
  c.imageSmoothingQuality = "high"; c.drawImage(source, x, y, w, h);
  if (y > 0) { c.filter = "blur(6px)"; c.drawImage(source, 0, 0, sw, Math.max(1, sh * .006), x, -8, w, y + 12); c.filter = "none"; }   // head near the top edge: more sky
  return { canvas, face: [(x + fx * w) / W, (y + fy * h) / H, Math.min(.30, Math.max(.17, fw * w / W * .5))] };
}

export class Stage {
  /** `width` is the number of pixels painted across; a small preview needs few. */
  constructor(canvas, { look = "neon-noir", width = W, still = matchMedia("(prefers-reduced-motion: reduce)").matches } = {}) {
    Object.assign(this, { canvas, look, still, every: 0, line: 0, progress: 0, glitch: 0, nextBurst: 5, running: false, frames: 0, window: 0 });
    canvas.width = width; canvas.height = width * H / W;
    this.tick = this.tick.bind(this);
    this.visible = () => document.hidden ? this.pause() : this.play();
  }

  async show(source) {
    Object.assign(this, await frame(source).then(({ canvas, face }) => ({ photo: canvas, face })));
    if (!this.painter) this.raise();
    this.painter.load(this.photo, this.face, LIGHTS[this.look] || LIGHTS["neon-noir"]);
    this.begun = performance.now();
    if (this.still) { this.scanAt = 2; this.paint(3); return; }
    document.addEventListener("visibilitychange", this.visible);
    this.play();
  }

  /** Build the painter. A canvas that once gave a WebGL context gives no other, so a failed one is replaced by a copy. */
  raise() {
    this.painter = glPainter(this.canvas);
    if (!this.painter) {
      const fresh = this.canvas.cloneNode();
      this.canvas.replaceWith(fresh);
      this.canvas = fresh;
      this.painter = flatPainter(fresh);
      return;
    }
    this.canvas.addEventListener("webglcontextlost", event => event.preventDefault());
    this.canvas.addEventListener("webglcontextrestored", () => {
      this.painter = glPainter(this.canvas) || this.painter;
      this.painter.load(this.photo, this.face, LIGHTS[this.look] || LIGHTS["neon-noir"]);
    });
  }

  /** Light the same picture in another look. */
  wear(look) {
    this.look = look;
    this.painter?.load(this.photo, this.face, LIGHTS[look] || LIGHTS["neon-noir"]);
    if (this.still && this.painter) this.paint(3);
    this.burst(1);
  }

  /** A glimpse of the hero: quarter of a second, also when a new stage begins. */
  burst(strength = 1) { if (!this.still) this.glitch = Math.max(this.glitch, strength); }

  play() { if (!this.running && this.painter && !this.still) { this.running = true; this.last = performance.now(); requestAnimationFrame(this.tick); } }
  pause() { this.running = false; }
  stop() { this.pause(); document.removeEventListener("visibilitychange", this.visible); }

  tick(now) {
    if (!this.running) return;
    if (now - this.last < this.every) { requestAnimationFrame(this.tick); return; }
    const dt = Math.min(.1, (now - this.last) / 1000); this.last = now;
    const t = (now - this.begun) / 1000;
    this.line += (this.progress - this.line) * (1 - Math.exp(-dt * 2.2));
    if (t > this.nextBurst) { this.nextBurst = t + 6 + Math.random() * 5; this.burst(.8); }
    this.glitch = Math.max(0, this.glitch - dt * 3.4);
    this.ease(now);
    this.paint(t);
    requestAnimationFrame(this.tick);
  }

  /** A slow phone gets fewer pixels; a machine without a graphics chip also gets some air between frames. */
  ease(now) {
    if (this.every) return;
    if (!this.window || now - this.window > 3000) { this.window = now + 600; this.frames = 0; return; }     // the first moment is setting up
    this.frames += now > this.window;
    const seconds = (now - this.window) / 1000;
    if (seconds < 1) return;
    const rate = this.frames / seconds, isBig = this.canvas.width > 360;
    this.window = now;
    this.frames = 0;
    if (rate < 24) { this.every = 90; this.shrink(270); } else if (rate < 48 && isBig) this.shrink(360);
  }
  shrink(width) {
    if (this.painter.kind === "webgl" && this.canvas.width > width) { this.canvas.width = width; this.canvas.height = width * H / W; }
  }

  paint(t) {
    if (this.still) this.line = this.progress;
    this.painter.draw({ t, line: this.line, scan: this.still ? 2 : Math.max(0, (t - .18) / .85), glitch: this.glitch > .02 ? this.glitch : 0 });
    this.onframe?.(this.line, this.face);
  }

  set to(value) { this.progress = Math.max(this.progress, Math.min(1, value)); if (this.still && this.painter) this.paint(3); }
}

function glPainter(canvas) {
  const gl = canvas.getContext("webgl2", { antialias: false, alpha: false, powerPreference: "low-power" });
  if (!gl) return null;
  const program = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind); gl.shaderSource(shader, text); gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) { console.warn(gl.getShaderInfoLog(shader)); return null; }
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program); gl.useProgram(program);
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 3, -1, -1, 3]), gl.STATIC_DRAW);
  const p = gl.getAttribLocation(program, "p"); gl.enableVertexAttribArray(p); gl.vertexAttribPointer(p, 2, gl.FLOAT, false, 0, 0);
  const u = name => gl.getUniformLocation(program, name);
  const at = { t: u("t"), line: u("line"), scan: u("scan"), glitch: u("glitch") };
  return {
    kind: "webgl",
    load(photo, face, { a, b, sun, ink, beam }) {
      gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, photo);
      gl.generateMipmap(gl.TEXTURE_2D);
      for (const [k, v] of [[gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_LINEAR], [gl.TEXTURE_WRAP_S, gl.MIRRORED_REPEAT], [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE]]) gl.texParameteri(gl.TEXTURE_2D, k, v);
      gl.uniform2f(u("size"), W, H); gl.uniform3fv(u("face"), face);
      gl.uniform3fv(u("lightA"), a); gl.uniform3fv(u("lightB"), b); gl.uniform3fv(u("sun"), sun); gl.uniform3fv(u("ink"), ink); gl.uniform3fv(u("tint"), beam);
    },
    draw(f) { gl.viewport(0, 0, canvas.width, canvas.height); for (const k in at) gl.uniform1f(at[k], f[k]); gl.drawArrays(gl.TRIANGLES, 0, 3); },
  };
}

/** The same picture without WebGL: two layers graded once, then only cheap copies per frame. */
function flatPainter(canvas) {
  const c = canvas.getContext("2d"), lw = W / 2, lh = H / 2;
  let raw, hero, plate, tint, drops;
  const layer = (pixels) => { const k = document.createElement("canvas"); k.width = lw; k.height = lh; k.getContext("2d").putImageData(pixels, 0, 0); return k; };
  return {
    kind: "2d",
    load(photo, [fx, fy, fw], { a, b, sun, ink, beam }) {
      raw = photo; tint = `${beam.map(v => Math.round(v * 255))}`;
      drops = Array.from({ length: 70 }, () => [Math.random(), Math.random(), .6 + Math.random()]);
      const k = document.createElement("canvas"); k.width = lw; k.height = lh;
      const kc = k.getContext("2d", { willReadFrequently: true }); kc.drawImage(photo, 0, 0, lw, lh);
      const src = kc.getImageData(0, 0, lw, lh), s = src.data, one = kc.createImageData(lw, lh), two = kc.createImageData(lw, lh);
      const smooth = (lo, hi, x) => { x = Math.min(1, Math.max(0, (x - lo) / (hi - lo))); return x * x * (3 - 2 * x); };
      for (let y = 0; y < lh; y++) for (let x = 0; x < lw; x++) {
        const i = (y * lw + x) * 4, l = (s[i] * .3 + s[i + 1] * .59 + s[i + 2] * .11) / 255;
        const j = i + (x < lw - 2 ? 8 : 0), n = i + (y < lh - 2 ? lw * 8 : 0);
        const edge = smooth(.06, .3, Math.hypot(s[j + 1] - s[i + 1], s[n + 1] - s[i + 1]) / 255);
        const px = (x / lw - fx) / fw, py = (y / lh - fy) / fw * 16 / 9, tone = smooth(.03, .96, l) ** 1.35;
        const neck = smooth(1.1, 2.3, py), mask = Math.max(smooth(1.22, .86, Math.hypot(px * .8, py * .6 + .04)), smooth(1.05, .8, Math.abs(px) / (.95 + 2.15 * neck)) * smooth(.7, 1.5, py));
        const L = smooth(.05, -.85, px * .62), R = smooth(-.05, .85, px * .62), disc = Math.hypot(x / lw - fx, (y / lh - fy + .035) * 16 / 9);
        const m = smooth(.12, .78, mask), glow = .95 * smooth(fw * 1.88, fw * 1.84, disc) + .3 * Math.exp(-disc * 3.2), dark = smooth(1.05, .25, y / lh);
        for (let ch = 0; ch < 3; ch++) {
          const h = (l * .45 + s[i + ch] / 255 * .55) * (.2 + .26 * (1 - L) * (1 - R)) * 1.25 + tone * (a[ch] * L * 1.05 + b[ch] * R) + ink[ch] * .6 + edge * .3 * (a[ch] * L + b[ch] * R);
          one.data[i + ch] = 255 * (h * m + (ink[ch] + sun[ch] * glow) * dark * (1 - m));
          const cold = beam[ch] * .85 + .1;
          two.data[i + ch] = 255 * (ink[ch] * .9 + cold * (.07 + .5 * tone) * (.25 + .75 * mask) * (y % 2 ? .86 : 1) + edge * .5 * (.25 + .75 * mask) * cold);
        }
        one.data[i + 3] = two.data[i + 3] = 255;
      }
      hero = layer(one); plate = layer(two);
    },
    draw({ t, line, scan, glitch }) {
      c.setTransform(canvas.width / W, 0, 0, canvas.height / H, 0, 0);
      const zoom = 1 + .085 * (1 - Math.exp(-t * .045)), dx = -W * (zoom - 1) / 2, dy = -H * (zoom - 1) * .36;
      const put = (img, from, to) => { if (to > from) { c.save(); c.beginPath(); c.rect(0, from, W, to - from); c.clip(); c.drawImage(img, dx, dy, W * zoom, H * zoom); c.restore(); } };
      const y = line * H, s = Math.min(1, scan) * H;
      put(plate, Math.min(y, s), s); put(hero, 0, Math.min(y, s)); put(raw, s, H);
      if (glitch) for (let i = 0; i < 9; i++) {
        const at = Math.random() * H, tall = 8 + Math.random() * 46, off = (Math.random() - .5) * 90 * glitch;
        c.drawImage(hero, 0, at / 2, lw, tall / 2, off, at, W, tall);
      }
      c.globalCompositeOperation = "lighter"; c.strokeStyle = `rgba(${tint},.28)`; c.lineWidth = 1.2; c.beginPath();
      for (const [x, p, v] of drops) { const h = ((p + t * v * 1.3) % 1.1) * H; c.moveTo(x * W, h); c.lineTo(x * W - 3, h + 46 * v); } c.stroke();
      for (const [at, force] of [[y, line > .001 && line < .999 ? 1 : 0], [s, scan < 1 ? 1.6 : 0]]) if (force) {
        const g = c.createLinearGradient(0, at - 46, 0, at + 46); g.addColorStop(0, `rgba(${tint},0)`); g.addColorStop(.5, `rgba(${tint},${.42 * force})`); g.addColorStop(1, `rgba(${tint},0)`);
        c.fillStyle = g; c.fillRect(0, at - 46, W, 92); c.fillStyle = "#fff"; c.fillRect(0, at - 1, W, 2);
      }
      c.globalCompositeOperation = "source-over";
    },
  };
}
