"""What a rule may be made of, for people and for the completion of the rule bench."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etld.console.page import Page
from etld.deadletters.repair_types import RepairTypes
from etld.deadletters.rule_words import words
from etld.schemas import catalog

if TYPE_CHECKING:
    from etld.console.page import View
    from etld.console.sources import Sources


def _data(sources: Sources, _view: View) -> dict[str, Any]:
    kinds = catalog.of_registered_and_files(sources.config)
    return words(RepairTypes(kinds), [kind.name for kind in kinds])


PAGE = Page(
    name="rule-words",
    path="/rules/words",
    description="What a rule may be made of: steps, conditions, and the fields of each event type.",
    data=_data,
)
