"""What of a page sticks out of the screen or of its own box, or is too small for a thumb: `misplaced(page) == []`."""

from __future__ import annotations

from typing import Any

_LOOK = """() => {
    const found = [], wide = document.documentElement.clientWidth, range = document.createRange();
    const sides = node => { const box = node.getBoundingClientRect(); return [box.left, box.right]; };
    // What is cut off on all sides is there for screen readers.
    const isSeen = node => node.checkVisibility({ visibilityProperty: true, opacityProperty: true })
        && getComputedStyle(node).clipPath !== "inset(50%)";
    const isCut = node => /hidden|clip|auto|scroll/.test(getComputedStyle(node).overflowX);
    const cutter = node => (!node || node === document.body || isCut(node) ? node : cutter(node.parentElement));
    const aside = ".sr, .skip, .scroll, .visually-hidden, .skip-to-content-link";
    if (document.documentElement.scrollWidth > wide) found.push(`scrolls to ${document.documentElement.scrollWidth}`);

    // Boxes: inside the screen. The body cuts off what is not, so that nothing scrolls; it is misplaced all the same.
    for (const node of document.body.querySelectorAll("*")) {
        if (node.closest(aside) || node.closest("svg") !== null && node.tagName !== "svg" || !isSeen(node)) continue;
        const [left, right] = sides(node);
        if (right > left && (left < -1 || right > wide + 1) && cutter(node.parentElement) === document.body)
            found.push(`${node.outerHTML.slice(0, 60)}: ${Math.round(left)} to ${Math.round(right)}`);
    }
    // Lines of text: inside whatever cuts them off, and inside their own button.
    const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node; (node = words.nextNode());) {
        const parent = node.parentElement;
        if (!node.data.trim() || parent.closest(`script, style, template, noscript, textarea, ${aside}`)) continue;
        if (!isSeen(parent)) continue;
        range.selectNodeContents(node);
        const button = parent.closest("button, .btn, .chip"), frame = cutter(parent), boxes = [[0, wide]];
        if (button) boxes.push(sides(button));
        if (frame && frame !== document.body) boxes.push(sides(frame));
        for (const { left, right, width } of range.getClientRects())
            if (width && boxes.some(([from, to]) => left < from - 1 || right > to + 1)) {
                found.push(`“${node.data.trim().slice(0, 40)}”: ${Math.round(left)} to ${Math.round(right)}`);
                break;
            }
    }
    // What is to be pressed: large enough, unless it stands in a sentence.
    for (const node of document.querySelectorAll("a, button, input, [role=slider]")) {
        const { width, height } = node.getBoundingClientRect();
        if (!width || !isSeen(node) || node.closest("p, h2, label, dd, article") || node.closest(aside)) continue;
        if (height < 44 || width < 40) found.push(`small: ${node.outerHTML.slice(0, 60)}`);
    }
    return found;
}"""


def misplaced(page: Any) -> list[str]:
    """Return what sticks out to the side, and what is too small to press, a line each."""
    return page.evaluate(_LOOK)
