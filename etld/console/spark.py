"""Small lines, as the points of an SVG polyline."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, HEIGHT = 120.0, 24.0


def points(values: Sequence[float], most: int = 150) -> str:
    """The values in a box of 120 by 24, newest at its right edge, 0 at its bottom; "" for fewer than two."""
    if len(values) < 2:
        return ""
    top = max(*values, 1e-9)
    step = WIDTH / (most - 1)
    begin = WIDTH - step * (len(values) - 1)
    return " ".join(
        f"{begin + step * at:.1f},{HEIGHT - 1 - value / top * (HEIGHT - 2):.1f}" for at, value in enumerate(values)
    )
