"""A slow call, and who waits for it."""

from __future__ import annotations

import threading

import pytest

from etld.util.patiently import TookTooLong, patiently


def test_who_waits_beats_until_the_answer_comes() -> None:
    beats = threading.Semaphore(0)

    def slow() -> str:
        for _ in range(3):
            beats.acquire()
        return "done"

    assert patiently(slow, beats.release, 30) == "done"


@pytest.mark.parametrize("error", [ValueError("no"), TimeoutError("its own")])
def test_what_it_raises_comes_through(error: Exception) -> None:
    def fails() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        patiently(fails, lambda: None, 30)
    assert caught.value is error


def test_a_call_without_an_end_is_given_up() -> None:
    ended = threading.Event()
    with pytest.raises(TookTooLong):
        patiently(ended.wait, lambda: None, 0.3)
    ended.set()
