"""Operations: one at a time, driven by the loop, answered when they are done. No process is started."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from etld.control.verbs import VerbError
from etld.supervisor.lifecycle import Lifecycle
from etld.supervisor.reload.operations import Operations


def steps(number: int, end: Any = None) -> Generator[None, None, dict[str, Any]]:
    """Work of so many turns of the loop that ends with an answer, or by raising it."""
    for _ in range(number):
        yield
    if isinstance(end, BaseException):
        raise end
    return {"done": True}


def later(answer: Any) -> Any:
    """What an answer gives now."""
    assert callable(answer)
    return answer()


def test_the_answer_comes_when_the_work_is_done() -> None:
    operations = Operations(Lifecycle())
    answer = operations.start("reload", steps(2))
    assert (operations.current, later(answer)) == ("reload", None)
    operations.tell("reload: half")
    operations.advance()
    assert (operations.current, later(answer)) == ("reload: half", None)
    operations.advance()
    assert (operations.current, later(answer)) == (None, {"done": True})
    assert operations.last == {"name": "reload", "error": None}


def test_one_at_a_time() -> None:
    operations = Operations(Lifecycle())
    operations.start("reload", steps(2))
    with pytest.raises(VerbError, match=r"^reload is under way"):
        operations.start("scale", steps(1))
    assert operations.current == "reload"


@pytest.mark.parametrize("error", [VerbError("failed", "no"), KeyError("a mistake")])
def test_an_error_is_the_answer(error: Exception) -> None:
    operations = Operations(Lifecycle())
    answer = operations.start("reload", steps(1, error))
    operations.advance()
    with pytest.raises(type(error)):
        later(answer)
    assert operations.last == {"name": "reload", "error": str(error)}


def takes_back(number: int, undone: list[str]) -> Generator[None, None, dict[str, Any]]:
    """Work without end that takes so many turns to take back what it did."""
    try:
        while True:
            yield
    finally:
        for _ in range(number):
            yield
        undone.append("all")


def test_one_that_comes_to_no_end_is_called_off() -> None:
    """It takes back what it did, and what stood in the way is told."""
    operations, undone = Operations(Lifecycle(), lambda: ["setup is starting", "b", "c", "d"]), list[str]()
    answer = operations.start("reload", takes_back(2, undone), within=0.0)
    operations.tell("reload: setup")
    for _ in range(2):
        operations.advance()
        assert (later(answer), undone) == (None, [])
    operations.advance()
    with pytest.raises(VerbError, match=r"^reload: setup: not done within 0 s \(setup is starting; b; c\)$") as caught:
        later(answer)
    assert (caught.value.code, undone, operations.current) == ("timeout", ["all"], None)


def test_one_that_does_not_even_come_back_is_dropped() -> None:
    operations = Operations(Lifecycle())
    operations.way_back = 0.0
    answer = operations.start("reload", takes_back(99, []))
    stuck = operations.start("reload", steps(10**9), within=0.0, replaces=True)
    for _ in range(3):
        operations.advance()
    for one, code in ((answer, "replaced"), (stuck, "timeout")):
        with pytest.raises(VerbError) as caught:
            later(one)
        assert caught.value.code == code
    assert operations.current is None


def test_a_newer_one_takes_the_place_when_that_is_free() -> None:
    """And of two that wait, the newest."""
    operations, undone = Operations(Lifecycle()), list[str]()
    answers = [operations.start("reload", takes_back(3, undone))]
    answers += [operations.start("reload", steps(1), replaces=True) for _ in range(2)]
    assert (operations.current, later(answers[0]), undone) == ("reload", None, [])
    with pytest.raises(VerbError, match="a newer reload takes its place"):
        later(answers[1])
    for _ in range(4):
        operations.advance()
    assert (later(answers[2]), undone, operations.last) == ({"done": True}, ["all"], {"name": "reload", "error": None})
    with pytest.raises(VerbError, match="a newer reload takes its place"):
        later(answers[0])
    operations.start("drain", steps(9))
    with pytest.raises(VerbError, match=r"^drain is under way, for 0 s now.*`etld cancel`"):
        operations.start("reload", steps(1), replaces=True)


def test_calling_off_by_hand() -> None:
    """The first time as if it had failed, the second at once; whatever waits behind it does not begin."""
    operations = Operations(Lifecycle())
    with pytest.raises(VerbError, match="nothing is under way"):
        operations.call_off()
    answer = operations.start("reload", takes_back(99, []))
    behind = operations.start("reload", steps(1), replaces=True)
    told = operations.call_off()
    assert later(told) == {"cancelled": "reload"}
    for one in (answer, behind):
        with pytest.raises(VerbError):
            later(one)
    answer = operations.start("scale", steps(9))
    assert later(operations.call_off()) == {"cancelled": "scale"}
    with pytest.raises(VerbError, match=r"^scale: cancelled$"):
        later(answer)
    assert operations.current is None


def test_nothing_begins_while_the_daemon_stops() -> None:
    lifecycle = Lifecycle()
    operations = Operations(lifecycle)
    answer = operations.start("reload", steps(9))
    lifecycle.stopping = True
    operations.cancel()
    for call in (lambda: later(answer), lambda: operations.start("scale", steps(1))):
        with pytest.raises(VerbError, match="the daemon is stopping"):
            call()


@pytest.mark.parametrize(("lasting", "current"), [(True, "drain"), (False, None)])
def test_what_only_its_client_wants_ends_with_it(lasting: bool, current: str | None) -> None:
    operations = Operations(Lifecycle())
    answer = operations.start("drain", steps(9), lasting=lasting)
    assert callable(answer)
    operations.abandoned(lambda: None)  # another's answer
    assert operations.current == "drain"
    operations.abandoned(answer)
    assert operations.current == current
