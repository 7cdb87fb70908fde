"""What a benchmark found, for people and for programs."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Result:
    """One line: values of etld and of its reference, in the same unit, run by run."""

    name: str
    unit: str
    values: list[float]
    reference: list[float] = field(default_factory=list)
    reference_name: str = ""
    cpu_us: float | None = None
    peak_mb: float | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def ratios(self) -> list[float]:
        """What etld took, over what its reference took, pair by pair."""
        return [mine / theirs for mine, theirs in zip(self.values, self.reference, strict=False) if theirs]


def spread(values: list[float]) -> dict[str, float] | None:
    """Median and range."""
    if not values:
        return None
    return {
        "median": round(statistics.median(values), 4),
        "min": round(min(values), 4),
        "max": round(max(values), 4),
    }


def as_json(one: Result) -> dict[str, Any]:
    """The shape that programs rely on."""
    return {
        "name": one.name,
        "unit": one.unit,
        "value": spread(one.values),
        "reference": spread(one.reference),
        "reference_name": one.reference_name or None,
        "ratio": spread(one.ratios),
        "cpu_us_per_event": None if one.cpu_us is None else round(one.cpu_us, 2),
        "peak_mb": None if one.peak_mb is None else round(one.peak_mb),
        **one.extra,
    }


def table(results: list[Result]) -> str:
    """The same for a terminal."""
    rows = [("benchmark", "median", "range", "unit", "reference", "ratio", "CPU µs/event", "peak MB")]
    for one in results:
        mine, theirs, ratio = spread(one.values), spread(one.reference), spread(one.ratios)
        rows.append(
            (
                one.name,
                _n(mine["median"]) if mine else "-",
                f"{_n(mine['min'])}-{_n(mine['max'])}" if mine else "-",
                one.unit,
                f"{_n(theirs['median'])} ({one.reference_name})" if theirs else "-",
                f"{ratio['median']:.2f} ({ratio['min']:.2f}-{ratio['max']:.2f})" if ratio else "-",
                f"{one.cpu_us:.1f}" if one.cpu_us is not None else "-",
                f"{one.peak_mb:.0f}" if one.peak_mb is not None else "-",
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def chart(results: list[Result], path: Path) -> None:
    """Ratios to the reference as bars."""
    from matplotlib.figure import Figure

    shown = [one for one in results if one.ratios]
    figure = Figure(figsize=(10, 1.2 + 0.45 * max(1, len(shown))))
    axes = figure.subplots()
    if not shown:
        axes.text(0.5, 0.5, "no benchmark with a reference was run", ha="center", transform=axes.transAxes)
        axes.set_axis_off()
    for place, one in enumerate(reversed(shown)):
        ratio = spread(one.ratios)
        assert ratio is not None
        axes.barh(place, ratio["median"], color="#2f6db3")
        axes.plot([ratio["min"], ratio["max"]], [place, place], color="#1d2733", linewidth=2)
        axes.text(max(ratio["max"], ratio["median"]) + 0.02, place, f"{ratio['median']:.2f}", va="center")
    axes.set_yticks(range(len(shown)), [f"{one.name}\nvs {one.reference_name}" for one in reversed(shown)], fontsize=8)
    axes.axvline(1, color="#9aa5b1", linewidth=1)
    axes.set_xlabel("share of the reference, median and range")
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=150)


def _n(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"
