"""Bar charts of benchmark results, as SVG by hand or as PNG through Pillow.

Key idea: one layout makes a list of boxes, lines and texts; two small writers put that list into a
file. A bar is a median, the thin line across its end goes from the lower to the upper quartile.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
from collections.abc import Sequence
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

_WIDTH, _ROW, _TOP, _BOTTOM = 760, 34, 48, 40
_LEFT, _RIGHT = 210, 110
_LETTER = 7  # px of a letter at most
_COLOURS = {"dlop": "#1b7f5c", "other": "#8a94a6", "ink": "#20242c", "grid": "#d8dce4"}
_SUFFIXES = (".svg", ".png")


class Bar(NamedTuple):
    """One row: its name, the median and the quartiles."""

    name: str
    value: float
    lower: float
    upper: float


class Shape(NamedTuple):
    """A box, line or text in px; anchor says which end of a text is at (x, y)."""

    kind: str
    x: float
    y: float
    x2: float
    y2: float
    colour: str
    text: str = ""
    anchor: str = "start"


def check_name(parser: argparse.ArgumentParser, path: str | None) -> None:
    """End with wrong usage where the name says no kind of picture that can be made here."""
    if path and not path.lower().endswith(_SUFFIXES):
        parser.error("--plot: the name ends in .svg or .png")
    if path and path.lower().endswith(".png") and importlib.util.find_spec("PIL") is None:
        parser.error("--plot: a PNG needs Pillow in this Python, an SVG needs nothing")


def _text(x: float, y: float, text: str, anchor: str = "start") -> Shape:
    return Shape("text", x, y, x, y, _COLOURS["ink"], text, anchor)


def tick_step(top: float) -> float:
    """A round step that gives 3 to 8 ticks up to top."""
    step = 10.0 ** math.floor(math.log10(top))
    while top / step < 3:
        step /= 2 if round(step / 10 ** math.floor(math.log10(step))) != 5 else 2.5
    return step


def layout(title: str, unit: str, bars: Sequence[Bar]) -> tuple[list[Shape], int, int]:
    """Shapes, width and height."""
    top = max(max(bar.value, bar.upper) for bar in bars)
    left = max(_LEFT, _LETTER * max(len(bar.name) for bar in bars) + 24)
    width = _WIDTH + left - _LEFT
    scale = (width - left - _RIGHT) / (top or 1.0)
    height = _TOP + _ROW * len(bars) + _BOTTOM
    shapes = [_text(14, 26, title)]
    step = tick_step(top) if top > 0 else 1.0
    for k in range(int(top / step) + 1):
        x = left + k * step * scale
        shapes.append(Shape("line", x, _TOP, x, height - _BOTTOM, _COLOURS["grid"]))
        shapes.append(_text(x, height - _BOTTOM + 18, f"{k * step:g}", "middle"))
    shapes.append(_text(width - 14, height - _BOTTOM + 18, unit, "end"))
    for k, bar in enumerate(bars):
        y, x2 = _TOP + k * _ROW, left + bar.value * scale
        colour = _COLOURS["dlop" if bar.name.startswith("dlop") else "other"]
        shapes.append(Shape("box", left, y + 6, x2, y + _ROW - 6, colour))
        low, high, middle = left + bar.lower * scale, left + bar.upper * scale, y + _ROW / 2
        shapes.append(Shape("line", low, middle, high, middle, _COLOURS["ink"]))
        shapes.append(_text(left - 8, middle + 5, bar.name, "end"))
        shapes.append(
            _text(
                max(x2, high) + 6,
                middle + 5,
                f"{bar.value:,.0f}" if bar.value >= 1000 else f"{bar.value:.4g}",
            )
        )
    return shapes, width, height


def svg(shapes: Sequence[Shape], width: int, height: int) -> str:
    """The shapes as an SVG document."""
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="13">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for s in shapes:
        if s.kind == "box":
            box = f'width="{max(s.x2 - s.x, 0):.1f}" height="{s.y2 - s.y:.1f}"'
            lines.append(f'<rect x="{s.x:.1f}" y="{s.y:.1f}" {box} fill="{s.colour}"/>')
        elif s.kind == "line":
            ends = f'x1="{s.x:.1f}" y1="{s.y:.1f}" x2="{s.x2:.1f}" y2="{s.y2:.1f}"'
            lines.append(f'<line {ends} stroke="{s.colour}"/>')
        else:
            place = f'x="{s.x:.1f}" y="{s.y:.1f}" text-anchor="{s.anchor}" fill="{s.colour}"'
            lines.append(f"<text {place}>{escape(s.text)}</text>")
    return "\n".join([*lines, "</svg>", ""])


def _write_png(path: str, shapes: Sequence[Shape], width: int, height: int) -> None:
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (width, height), "#ffffff")
    draw = ImageDraw.Draw(picture)
    for s in shapes:
        if s.kind == "box":
            draw.rectangle([s.x, s.y, max(s.x2, s.x), s.y2], fill=s.colour)
        elif s.kind == "line":
            draw.line([s.x, s.y, s.x2, s.y2], fill=s.colour)
        else:
            length = draw.textlength(s.text)
            left = {"start": 0.0, "middle": length / 2, "end": length}[s.anchor]
            draw.text((s.x - left, s.y - 10), s.text, fill=s.colour)
    picture.save(path)


def write(path: str, title: str, unit: str, bars: Sequence[Bar]) -> None:
    """Draw the bars into a file, whose name says which kind. OSError, ImportError: it cannot."""
    shapes, width, height = layout(title, unit, bars)
    if path.lower().endswith(".svg"):
        with open(path, "w", encoding="utf-8") as file:
            file.write(svg(shapes, width, height))
    else:
        _write_png(path, shapes, width, height)


def write_contestants(path: str, title: str, contestants: Sequence[dict[str, Any]]) -> None:
    """Images per second of all contestants of a result."""
    rows = [
        Bar(one["name"], one["images_per_s"], *one["spread"]["images_per_s"]) for one in contestants
    ]
    write(path, title, "images/s", rows)
