"""What a process that tries letters asks the worker for."""

from __future__ import annotations

import json
from pathlib import Path

from etld.corrector.isolated import opened
from etld.deadletters.letters import PendingLetter
from support.aggregator_harness import config


class _Around:
    """Knows no schema, and counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def stage(self, name: str) -> None:
        """Of no interest here."""

    def ask(self, question: str) -> str:
        """That there is none of them."""
        self.asked.append(json.loads(question))
        return json.dumps({one: {"schema": None} for one in self.asked[-1]})


def _letter(number: int) -> PendingLetter:
    value = b"\0" + (10**6 + number).to_bytes(4) + b"\2a"
    return PendingLetter(
        str(number), None, "purchase", "AVRO_DECODE", "UnknownSchemaId", "", None, "purchase", value, 0, 0, 0, None, 1.0
    )


def test_the_schemas_of_a_page_are_asked_for_at_once(tmp_path: Path) -> None:
    """An answer may take as long as a whole page: the worker is busy, and this process gives way to live traffic."""
    around = _Around()
    work = opened(config(tmp_path), "", around)
    work([])
    work([(_letter(number), []) for number in range(100)])
    assert [len(ids) for ids in around.asked] == [100]
