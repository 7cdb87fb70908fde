"""Frames are put into turns, so that each event id is known before it comes again."""

from __future__ import annotations

import polars as pl

from etld.rebuild.shadow import in_turn


def frame(*ids: str) -> pl.DataFrame:
    return pl.DataFrame(
        {"event_id": list(ids), "row": range(len(ids))}, schema={"event_id": pl.String, "row": pl.Int64}
    )


def turns(*frames: pl.DataFrame) -> list[list[str]]:
    return [one["event_id"].to_list() for one in in_turn(frames)]


def test_ids_that_are_there_once_stay_as_they_are() -> None:
    assert turns(frame("a", "b"), frame(), frame("c")) == [["a", "b"], ["c"]]
    assert turns(frame()) == []


def test_an_id_that_comes_again_has_a_later_turn() -> None:
    """In other letters too, and over frames."""
    found = turns(frame("a", "b", "A"), frame("b", "c", "a"))
    assert [ids for ids in found if ids] == [["a", "b"], ["c"], ["A"], ["b"], ["a"]]
