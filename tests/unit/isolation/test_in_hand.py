"""The note of what a worker has in hand, over its lives."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from etld.isolation.in_hand import PREPARING, WRITING, Held, InHand, Killer, Suspicion, merged, text_of

ONE, TWO = Held("records", "t:0 id", 10, 20), Held("records", "t:0 id", 15, 40)
OTHER = Held("records", "t:1 id", 10, 20)
LETTER = Held("letter", "a")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "in-hand" / "processor-0"


def life(path: Path, *held: Held, place: int = PREPARING, ended_by_itself: bool = False) -> InHand:
    """One that ends with these in hand."""
    note = InHand(path, ended_by_itself=ended_by_itself)
    note.take(place, text_of(held))
    return note


@pytest.mark.parametrize("place", [PREPARING, WRITING])
def test_what_two_lives_ended_with_is_suspect(path: Path, place: int) -> None:
    """Also where they had not quite the same in hand; all that either had."""
    life(path, ONE, OTHER, place=place)
    second = life(path, TWO, place=place)
    assert second.suspects() == []
    assert InHand(path).suspects() == [Held("records", "t:0 id", 10, 40)]


def test_a_crash_counts_at_once(path: Path) -> None:
    """Nobody from outside was it."""
    life(path, ONE, LETTER)
    assert InHand(path, ended_by_itself=True).suspects() == [ONE, LETTER]


def test_what_was_put_down_is_forgotten(path: Path) -> None:
    """By the end of the work, also where that raised; what is no Exception leaves the process with it in hand."""
    note = InHand(path)
    with note.holding(PREPARING, text_of([ONE])):
        pass
    with pytest.raises(ValueError, match="no"), note.holding(PREPARING, text_of([ONE])):
        raise ValueError("no")
    assert InHand(path, ended_by_itself=True).suspects() == []
    with pytest.raises(SystemExit), InHand(path).holding(PREPARING, text_of([ONE])):
        raise SystemExit(1)
    assert InHand(path, ended_by_itself=True).suspects() == [ONE]


def test_what_is_done_is_suspect_no_more(path: Path) -> None:
    """As far as it is done; of another partition nothing is said by that."""
    life(path, ONE, OTHER)
    note = InHand(path, ended_by_itself=True)
    note.passed(Held("records", "t:0 id", 10, 19))
    assert note.suspects() == [ONE, OTHER]
    note.passed(Held("records", "t:0 id", 10, 20))
    assert note.suspects() == InHand(path).suspects() == [OTHER]


def test_suspects_outlive_a_life_that_had_nothing_in_hand(path: Path) -> None:
    """As one that was killed while it searched."""
    life(path, ONE)
    InHand(path, ended_by_itself=True)
    assert InHand(path).suspects() == [ONE]


def test_care_outlives_the_process_and_ends(path: Path) -> None:
    """By the clock, since the process may have ended long ago."""
    note = InHand(path)
    note.be_careful("t", 60)
    note.be_careful("u", -1)
    assert note.careful == InHand(path).careful == {"t"}


def test_a_killed_process_leaves_its_note(path: Path) -> None:
    """Without having written a file."""
    code = (
        "import os; from pathlib import Path; from etld.isolation.in_hand import *\n"
        f"InHand(Path({str(path)!r})).take(PREPARING, text_of([Held('letter', 'a')])); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert InHand(path, ended_by_itself=True).suspects() == [LETTER]


@pytest.mark.parametrize("at", [0, 4, 9, 20])
def test_a_damaged_note_says_nothing(path: Path, at: int) -> None:
    """After a power cut, or written by another version."""
    life(path, ONE)
    life(path, ONE)
    with path.open("r+b") as file:
        for place in (0, 32768, 65536):
            file.seek(place + at)
            file.write(b"\xff\xfe")
    assert InHand(path).suspects() == []


def test_where_no_file_can_be_the_worker_works(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It says so, and has the note in its own memory."""
    tmp_path.joinpath("file").write_text("")
    note = life(tmp_path / "file" / "note", ONE)
    note.suspect([ONE])
    assert note.suspects() == [ONE]
    assert "cannot keep a note" in caplog.text


def test_more_than_there_is_room_for(path: Path) -> None:
    """What fits is noted."""
    many = [Held("records", f"{n}:{'x' * 200}", 0, 1) for n in range(2000)]
    life(path, *many)
    found = InHand(path, ended_by_itself=True).suspects()
    assert found == many[: len(found)]
    assert len(found) > 20


def test_old_suspicions_are_dropped() -> None:
    """Another worker has those partitions now."""
    old = Suspicion(ONE, 5, time.time() - 7200)
    assert merged([old], [], 1, time.time()) == []


def test_killers_outlive_the_process_until_they_are_done(path: Path) -> None:
    """So that a search goes on where it was when it is killed itself."""
    killers = [Killer(Held("records", key, 12, 13), "id", "TRANSFORM", "exit", 3) for key in ("t:0", "t:1")]
    for one in killers:
        InHand(path).condemn(one)
    note = InHand(path)
    assert note.killers == killers
    note.passed(Held("records", "t:0", 0, 12))
    assert note.killers == killers
    note.passed(Held("records", "t:0", 0, 13))
    assert note.killers == InHand(path).killers == killers[1:]
