/* The tab tells how far the film is: the Line moves down the icon, and a tick ends it. */
const SIDE = 64, INK = "#050609", PAPER = "#f5f2eb";
let link = null, own = "", shown = "";

function icon() {
  if (!link?.isConnected) {
    link = document.querySelector('link[rel="icon"]');
    own ||= link?.href || "";
  }
  return link;
}

function draw(part, isDone) {
  const canvas = document.createElement("canvas"), c = canvas.getContext("2d");
  canvas.width = canvas.height = SIDE;
  const tint = getComputedStyle(document.documentElement).getPropertyValue("--tint").trim() || PAPER;
  c.fillStyle = INK;
  c.beginPath();
  c.roundRect?.(0, 0, SIDE, SIDE, 12);
  if (!c.roundRect) c.rect(0, 0, SIDE, SIDE);
  c.fill();
  c.clip();
  c.fillStyle = c.strokeStyle = tint;
  if (isDone) {
    c.lineWidth = 9;
    c.lineCap = c.lineJoin = "round";
    c.beginPath();
    c.moveTo(15, 34);
    c.lineTo(28, 47);
    c.lineTo(50, 19);
    c.stroke();
    return canvas.toDataURL("image/png");
  }
  const line = 6 + (SIDE - 12) * part;
  c.globalAlpha = .38;
  c.fillRect(0, 0, SIDE, line);
  c.globalAlpha = 1;
  c.strokeStyle = PAPER;                                          // a head, to have something the Line moves over
  c.lineWidth = 5;
  c.beginPath();
  c.ellipse(32, 30, 14, 18, 0, 0, Math.PI * 2);
  c.stroke();
  c.fillRect(0, line - 4, SIDE, 8);
  return canvas.toDataURL("image/png");
}

/** Show this part (0 to 1) of the film in the tab; `isDone` shows a tick. Steps of four percent are enough to see. */
export function showInTab(part, isDone = false) {
  const step = isDone ? "done" : String(Math.round(part * 25));
  if (step === shown || !icon()) return;
  shown = step;
  try {
    link.type = "image/png";
    link.href = draw(part, isDone);
  } catch { restoreTab(); }                                       // a browser that lets no canvas be read
}

/** Give the tab its own icon back. */
export function restoreTab() {
  shown = "";
  if (icon() && own) { link.type = "image/svg+xml"; link.href = own; }
}
