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
