"""The colours of every chart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Of what matters, of what explains it, and of the lines behind it.
INK: Final = "#1f2933"
SOFT: Final = "#66717d"
GRID: Final = "#e4e8ec"
#: Of the item that sums up what is too much to show.
OTHERS: Final = "#a7b0b8"
#: Of bars, slices and lines. Told apart by colour-blind eyes too: Okabe and Ito's, darkened where white ground asks
#: for it. https://jfly.uni-koeln.de/color/
SERIES: Final = (
    "#0072b2", "#e08e0b", "#009e73", "#cc5f9b", "#4aa3d9", "#d55e00",
    "#7b5ea7", "#8c8c2b", "#5b7083", "#a65628", "#2f8f8f", "#b23a48",
)  # fmt: skip


def by_name(names: Iterable[str]) -> dict[str, str]:
    """A colour for each name, the same in every panel of a chart and at every drawing; "" is what is summed up."""
    ordered = sorted(set(names) - {""})
    return {"": OTHERS} | {name: SERIES[i % len(SERIES)] for i, name in enumerate(ordered)}
