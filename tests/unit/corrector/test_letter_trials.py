"""What the corrector knows of letters that end processes, over its lives."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from etld.corrector.letter_trials import LetterTrials
from etld.isolation.in_hand import Held, InHand, Killer
from etld.isolation.search import Death


def life(tmp_path: Path) -> LetterTrials:
    worker: Any = SimpleNamespace(config=SimpleNamespace(state_dir=tmp_path), name="corrector-0", ended_by_itself=False)
    return LetterTrials(worker)


def test_what_was_found_outlives_the_worker(tmp_path: Path) -> None:
    """Until it is written what became of the letter: a search that is killed goes on where it was."""
    note = InHand(tmp_path / "in-hand" / "corrector-0")
    note.condemn(Killer(Held("letter", "a"), "", "CORRECTION", "killed by SIGSEGV", 3))
    first = life(tmp_path)
    assert first.verdicts() == {"a": Death("CORRECTION", "killed by SIGSEGV", 3)}
    assert life(tmp_path).verdicts() == first.verdicts()
    first.settled(["a"])
    assert first.verdicts() == {}
    assert life(tmp_path).verdicts() == {}
