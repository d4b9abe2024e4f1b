"""The picture of a link: 1200 x 630, the size that services which preview links show whole (ogp.me, X, WhatsApp).

    of_start()                     the two faces of the start page, with the line between them
    of_film(poster, name, words)   the hero of a shared film, with their name and a sentence beside

The start page's is drawn once and shipped: `python -m jobs.web.cards` writes static/img/card.jpg anew. A shared film's
is drawn when it is asked for, from the poster that the film's sandbox encoded, in about 20 ms.
"""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from django.conf import settings
from django.templatetags.static import static
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

WIDTH, HEIGHT = 1200, 630
_STATIC = Path(__file__).resolve().parents[2] / "static"
_NIGHT, _PAPER, _CYAN = (5, 6, 9), (245, 242, 235), (92, 225, 245)
_SLANT = 70  # px by which the line leans over the picture's height
_EDGE = 64  # px around text
_TEXT_WIDTH = 560
# Where a portrait's face is: this share of a poster's height is in the middle of what is shown.
_FACE_AT = 0.34
_QUALITY = 86


def of_start() -> bytes:
    """Return the start page's card as JPEG."""
    before = _filled(Image.open(_STATIC / "img/before.jpg"), (WIDTH // 2 + _SLANT, HEIGHT))
    after = _filled(Image.open(_STATIC / "img/neon-noir.jpg"), (WIDTH // 2 + _SLANT, HEIGHT))
    card = Image.new("RGB", (WIDTH, HEIGHT), _NIGHT)
    card.paste(before, (-_SLANT // 2, 0))
    card.paste(after, (WIDTH // 2 - _SLANT // 2, 0), _right_of_line(WIDTH // 2, after.width))
    _draw_line(card, WIDTH // 2)
    _draw_mark(card, shade=True)
    return _jpeg(card)


def start_tags() -> dict[str, Any]:
    """Return what the start page's tags name: `page` and `picture` (absolute addresses), `width` and `height` in px."""
    picture = urljoin(settings.PUBLIC_URL, static("img/card.jpg"))
    return {"page": urljoin(settings.PUBLIC_URL, "/"), "picture": picture, "width": WIDTH, "height": HEIGHT}


def of_film(poster: bytes, *, name: str, words: str) -> bytes:
    """Return the card of a shared film as JPEG.

    `name` and `words` (a sentence) are left out where the font lacks one of their characters; previews say both in text
    beside the picture. OSError when the poster is no picture.
    """
    with Image.open(io.BytesIO(poster)) as opened:
        opened.draft("RGB", (WIDTH, HEIGHT))
        hero = opened.convert("RGB")
    card = _filled(hero.resize((WIDTH // 8, hero.height * WIDTH // 8 // hero.width)), (WIDTH // 8, HEIGHT // 8))
    card = card.filter(ImageFilter.GaussianBlur(6)).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    card = Image.blend(card, Image.new("RGB", card.size, _NIGHT), 0.62)
    line = WIDTH - 500
    shown = _filled(hero, (WIDTH - line + _SLANT // 2, HEIGHT))
    card.paste(shown, (line - _SLANT // 2, 0), _right_of_line(line, shown.width))
    _draw_line(card, line)
    _draw_words(card, name if _can_draw(name) else "", words if _can_draw(words) else "")
    _draw_mark(card)
    return _jpeg(card)


def _filled(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return the picture scaled to cover `size` and cut to it, with its face in the middle where there is room."""
    scale = max(size[0] / picture.width, size[1] / picture.height)
    wide, high = round(picture.width * scale), round(picture.height * scale)
    left = (wide - size[0]) // 2
    top = min(max(0, round(high * _FACE_AT - size[1] / 2)), high - size[1])
    scaled = picture.resize((wide, high), Image.Resampling.LANCZOS)
    return scaled.crop((left, top, left + size[0], top + size[1]))


def _right_of_line(x: int, width: int) -> Image.Image:
    """Return the mask (`width` x HEIGHT) of what is right of the line through (`x`, half the height), smooth edged."""
    start = x - _SLANT // 2  # where the mask is pasted
    mask = Image.new("L", (width * 2, HEIGHT * 2))
    points = [(2 * (_line_at(x, 0) - start), 0), (width * 2, 0), (width * 2, HEIGHT * 2)]
    ImageDraw.Draw(mask).polygon([*points, (2 * (_line_at(x, HEIGHT) - start), HEIGHT * 2)], fill=255)
    return mask.resize((width, HEIGHT), Image.Resampling.LANCZOS)


def _line_at(x: int, y: int) -> float:
    return x + _SLANT * (0.5 - y / HEIGHT)


def _draw_line(card: Image.Image, x: int) -> None:
    ends = [(_line_at(x, 0), 0), (_line_at(x, HEIGHT), HEIGHT)]
    glow = Image.new("RGB", card.size)
    ImageDraw.Draw(glow).line(ends, fill=_CYAN, width=14)
    card.paste(ImageChops.screen(card, glow.filter(ImageFilter.GaussianBlur(14))))
    ImageDraw.Draw(card).line(ends, fill=_PAPER, width=4)


def _draw_words(card: Image.Image, name: str, words: str) -> None:
    draw, at = ImageDraw.Draw(card), (_EDGE, HEIGHT // 2)
    if name:
        font = next(
            (
                font
                for size in range(104, 34, -6)
                if (font := _font("orbitron-900", size)).getlength(name) <= _TEXT_WIDTH
            ),
            _font("orbitron-900", 34),
        )
        draw.text(at, name, font=font, fill=_PAPER, anchor="ls")
    font = _font("rajdhani-600", 40)
    lines, line = [], ""
    for word in words.split():
        if font.getlength(f"{line} {word}") > _TEXT_WIDTH and line:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    draw.multiline_text((at[0], at[1] + 28), "\n".join([*lines, line]), font=font, fill=_PAPER, spacing=10)


def _draw_mark(card: Image.Image, *, shade: bool = False) -> None:
    """Draw the product's mark and name into the lower left corner, over a shade where a picture is behind."""
    if shade:
        dark = Image.linear_gradient("L").resize((WIDTH, 200)).point(lambda value: value * 7 // 10)
        card.paste(Image.new("RGB", dark.size, _NIGHT), (0, HEIGHT - 200), dark)
    large = Image.new("L", (240, 240))
    draw = ImageDraw.Draw(large)
    corners = [(120, 18), (208, 69), (208, 171), (120, 222), (32, 171), (32, 69)]
    draw.line([*corners, *corners[:2]], fill=255, width=16, joint="curve")
    bar = Image.new("L", (240, 240))
    ImageDraw.Draw(bar).line([(120, 76), (120, 164)], fill=255, width=30)
    at = (_EDGE, HEIGHT - _EDGE - 44)
    card.paste(_PAPER, at, large.resize((48, 48), Image.Resampling.LANCZOS))
    card.paste(_CYAN, at, bar.resize((48, 48), Image.Resampling.LANCZOS))
    draw = ImageDraw.Draw(card)
    draw.text((at[0] + 64, at[1] + 24), "Selfie Hero", font=_font("rajdhani-600", 42), fill=_PAPER, anchor="lm")


@cache
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(_STATIC / f"fonts/{name}.woff2"), size)


def _can_draw(text: str) -> bool:
    """Whether both fonts have every character of it: a box in place of a letter would be worse than no text."""
    return all(
        bytes(font.getmask(character)) != bytes(font.getmask("\uffff"))
        for font in (_font("orbitron-900", 34), _font("rajdhani-600", 40))
        for character in set(text) - {" "}
    )


def _jpeg(card: Image.Image) -> bytes:
    data = io.BytesIO()
    card.save(data, "JPEG", quality=_QUALITY, optimize=True, progressive=True)
    return data.getvalue()


if __name__ == "__main__":
    (_STATIC / "img/card.jpg").write_bytes(of_start())
