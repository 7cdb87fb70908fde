"""A hook that does not come back."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from etld.deadletters.failure import Failure
from etld.deadletters.rules.hook import GuardedHook, HookHung, HookRests
from support.waiting import wait_until

FAILURE = Failure("VALIDATION", "InvalidEvent", "broken")
GOOD: dict[str, Any] = {"event_type": "lamp"}
LOOP = {"event_type": "loop"}


def looping(event: dict[str, Any], _failure: Failure) -> dict[str, Any] | None:
    while event["event_type"] == "loop":
        pass
    return event


def threads() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "hook looping"]


def test_it_is_called_again_for_other_events_and_its_endless_loop_is_broken_off() -> None:
    """One event that it hangs on is no reason to leave the others alone."""
    guarded = GuardedHook("looping", looping, limit=0.2)
    for _ in range(4):
        assert guarded(GOOD, FAILURE) == GOOD
        with pytest.raises(HookHung, match=r"did not return within 0\.2 s"):
            guarded(LOOP, FAILURE)
    wait_until(lambda: not threads(), 10, "its threads end")


def test_it_rests_after_three_in_a_row() -> None:
    """Each costs its whole time. Nobody is told that it hung on his event, and it is called again some time."""
    guarded = GuardedHook("looping", looping, limit=0.1, rest=0.4)
    for _ in range(3):
        with pytest.raises(HookHung, match="did not return"):
            guarded(LOOP, FAILURE)
    assert guarded.resting == "looping hung on the last 3 events and rests: mend it, then `etld restart corrector`"
    with pytest.raises(HookRests, match="looping hung on the last 3 events") as raised:
        guarded(GOOD, FAILURE)
    assert raised.value.seconds > 0
    wait_until(lambda: guarded.resting is None, 30, "it has rested")
    with pytest.raises(HookHung, match="did not return"):
        guarded(LOOP, FAILURE)
    assert guarded.resting, "one more is enough now"
    guarded.wake()
    assert guarded(GOOD, FAILURE) == GOOD
    with pytest.raises(HookHung, match="did not return"):
        guarded(LOOP, FAILURE)
    assert guarded.resting is None


def test_memory_that_is_not_there_is_no_mistake_of_the_hook_yet() -> None:
    """It goes through as such, without the frames that hold what was taken."""

    def greedy(_event: dict[str, Any], _failure: Failure) -> None:
        raise MemoryError("no more")

    with pytest.raises(MemoryError, match="no more") as raised:
        GuardedHook("greedy", greedy)(GOOD, FAILURE)
    assert "greedy" not in [one.name for one in raised.traceback]
