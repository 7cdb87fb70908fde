"""Many questions to a slow server, several at a time."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

Q = TypeVar("Q")
A = TypeVar("A")

_THREADS = 16
_TICK_EVERY = 0.2


def answers(
    questions: Iterable[Q],
    asking: Callable[[], AbstractContextManager[Callable[[Q], A]]],
    until: float,
    tick: Callable[[], None],
) -> Iterator[tuple[Q, A]]:
    """Each question with its answer, in the order in which they come.

    None is begun after `until` (monotonic); those that were are waited for. `asking` is entered once in each thread.
    `tick` is called in the caller's every moment. Raises what was raised first, after all that came before.
    """
    waiting = deque(questions)
    found: queue.SimpleQueue[tuple[Q, A] | BaseException | None] = queue.SimpleQueue()
    running = min(_THREADS, len(waiting))
    for _ in range(running):
        threading.Thread(target=_ask, args=(waiting, asking, until, found), name="look-up", daemon=True).start()
    failure: BaseException | None = None
    try:
        while running:
            tick()
            try:
                one = found.get(timeout=_TICK_EVERY)
            except queue.Empty:
                continue
            if isinstance(one, tuple):
                yield one
            elif one is None:
                running -= 1
            else:
                failure = failure or one
                waiting.clear()
    finally:
        waiting.clear()
    if failure is not None:
        raise failure


def _ask(
    waiting: deque[Q],
    asking: Callable[[], AbstractContextManager[Callable[[Q], A]]],
    until: float,
    found: queue.SimpleQueue[tuple[Q, A] | BaseException | None],
) -> None:
    try:
        with asking() as ask:
            while time.monotonic() < until:
                try:
                    question = waiting.popleft()
                except IndexError:
                    break
                found.put((question, ask(question)))
    except BaseException as error:  # it is raised in the thread that waits
        found.put(error)
    finally:
        found.put(None)
