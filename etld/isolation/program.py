"""Work that a process of its own does: what it is, what it may ask, and how it can end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from etld.errors import EtldError

if TYPE_CHECKING:
    from etld.config import Config

_MEMORY = 1 << 30

#: Does the work on some items; what it gives is of no interest, only whether it comes to an end.
Work = Callable[[Sequence[Any]], None]


class NoAnswer(EtldError, ConnectionError):
    """What has to be asked for does not answer now: whether an item ends a process cannot be told."""

    code = "ETLD-W011"


class Surroundings(Protocol):
    """What a child has around it."""

    def stage(self, name: str) -> None:
        """Say what is done from now on: the stage of a dead letter."""

    def ask(self, question: str) -> str | None:
        """The program's `answer`, given by the worker; raises `NoAnswer`."""


@dataclass(frozen=True, slots=True)
class Program:
    """The pure part of a role's work: it needs no server, and does nothing that has to be done once only.

    `entry` names a function "module:attribute" of three arguments, the `payload` (which is pickled), a label and
    `Surroundings`; it gives the `Work`. `answer`, in the worker, answers what that asks for, None for "there is none";
    it may be called in any thread, and raises ConnectionError when it cannot know. `memory` is in bytes.
    """

    entry: str
    payload: Any
    answer: Callable[[str], str | None]
    memory: int


def memory_for(config: Config) -> int:
    """Half of what a whole worker may take, where that is limited."""
    return (config.supervisor.max_memory or _MEMORY) // 2


class Kind(StrEnum):
    """How a trial ended."""

    PASSED = "passed"
    #: By what it had in hand.
    ENDED = "ended"
    #: By somebody else: an operator, the kernel for want of memory, the end of the process that forks.
    KILLED = "killed"
    #: It could not be tried.
    UNDECIDED = "undecided"


class Limit(StrEnum):
    """Which limit of ours ended a trial."""

    NONE = "none"
    CPU = "cpu"
    MEMORY = "memory"
    #: It waited for something.
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class Ending:
    """A trial's end: with which item in hand (of those tried one by one), at which stage, and how in words."""

    kind: Kind
    how: str = ""
    at: int = 0
    stage: str = ""
    limit: Limit = Limit.NONE
