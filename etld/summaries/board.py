"""What people see of a summary, in words: its big numbers, its panels over time, what its values are called.

The console and the dashboards of BI tools are made of this; the pictures show the panels of the configuration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etld.config.sections.summaries import PanelSection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etld.config.sections.summaries import ChartSection
    from etld.summaries.model import Measure, Summary

#: Panels over time are for this many measures at most.
_MOST_MEASURES = 6
_SHORT = {"id": "ID", "url": "URL", "ip": "IP", "utc": "UTC", "sku": "SKU", "vat": "VAT"}


def words(name: str) -> str:
    """A name of code as a person writes it: "average_price" is "Average price"."""
    parts = [_SHORT.get(part.lower(), part) for part in name.replace("-", "_").split("_") if part]
    text = " ".join(parts)
    return text[:1].upper() + text[1:]


@dataclass(frozen=True, slots=True)
class BigNumber:
    """A measure over all rows that have the values of `where`."""

    title: str
    measure: Measure
    unit: str = ""
    where: tuple[tuple[str, tuple[Any, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Board:
    """A summary with the panels that are configured for it; None: none are."""

    summary: Summary
    chart: ChartSection | None

    @property
    def title(self) -> str:
        """What all of it is called."""
        return self.chart.title if self.chart else words(self.summary.name)

    @property
    def panels(self) -> tuple[PanelSection, ...]:
        """Those of the configuration."""
        return self.chart.panels if self.chart else ()

    @property
    def numeric(self) -> tuple[Measure, ...]:
        """The measures that are numbers: the smallest of times is none."""
        return tuple(one for one in self.summary.measures if one.field is None or one.field.type != "timestamptz")

    def unit(self, measure: str) -> str:
        """What a measure counts, as its panels and numbers say."""
        numbers = self.chart.numbers if self.chart else ()
        said = [*((one.value, one.unit) for one in self.panels), *((one.value, one.unit) for one in numbers)]
        return next((unit for value, unit in said if value == measure and unit), "")

    def labels(self, column: str) -> Mapping[str, str]:
        """The words for values of a group column, as its panels have them."""
        found: dict[str, str] = {}
        for panel in self.panels:
            if panel.by == column:
                found |= panel.labels
        return found

    def numbers(self) -> tuple[BigNumber, ...]:
        """Those of the configuration, or one for each measure."""
        measures = {one.name: one for one in self.summary.measures}
        given = self.chart.numbers if self.chart else ()
        if given:
            return tuple(
                BigNumber(one.title, measures[one.value], one.unit or self.unit(one.value), tuple(one.where.items()))
                for one in given
            )
        return tuple(BigNumber(words(one.name), one, self.unit(one.name)) for one in self.numeric)

    def over_time(self) -> tuple[PanelSection, ...]:
        """A panel over time for each measure that has none of its own, by the first group column."""
        by = self.summary.groups[0].name if self.summary.groups else ""
        return tuple(
            PanelSection(
                kind="line",
                title=f"{words(measure.name)} over time",
                by=by,
                value=measure.name,
                empty="",
                unit=self.unit(measure.name),
                labels=dict(self.labels(by)),
            )
            for measure in self.numeric[:_MOST_MEASURES]
            if not any(panel.kind == "line" and panel.value == measure.name for panel in self.panels)
        )
