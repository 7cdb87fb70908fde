"""The colours of every chart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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
# What is mixed into the series when there are more names than colours: white, then black; how much of it.
_MIXED = ((0xFF, 0.45), (0x00, 0.4))

#: A group column, and a value of it.
Name = tuple[str, str]


def by_name(names: Iterable[Name]) -> Mapping[Name, str]:
    """A colour for each name, the same in every panel of a chart; a value "" sums others up, and is grey.

    Nearly three times as many as there are colours in the series are told apart.
    """
    ordered = sorted({name for name in names if name[1]})
    mixed = [_mix(colour, other, share) for other, share in _MIXED for colour in SERIES]
    shades = [*SERIES, *(shade for shade in mixed if not _is_grey(shade))]
    return {name: shades[i % len(shades)] for i, name in enumerate(ordered)}


def _mix(colour: str, other: int, share: float) -> str:
    return "#" + "".join(f"{round(part + (other - part) * share):02x}" for part in _parts(colour))


def _is_grey(colour: str) -> bool:
    """Could it be taken for the colour of what is summed up, or for the ink?"""
    parts = _parts(colour)
    return max(parts) - min(parts) < 0x20


def _parts(colour: str) -> list[int]:
    return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
