"""Letters that may end the process that works on them: what the repairer asks of whoever has them tried first."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from etld.isolation.search import ERROR_CLASS
from etld.serdes.base import STAGE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from etld.deadletters.letters import Attempt, PendingLetter
    from etld.isolation.search import Death

#: What is done with a letter after its bytes are decoded: expressions and hooks of rules, and a check of the result.
CORRECTION = "CORRECTION"


class Trials:
    """This one has nothing tried: for a command, which ends with what it works on."""

    @property
    def under_way(self) -> Collection[str]:
        """Letters that are being tried: nobody is to work on them meanwhile."""
        return ()

    def verdicts(self) -> Mapping[str, Death | None]:
        """Letters that have been tried, until they are settled, with how they end a process; None: they do not."""
        return {}

    def wants(self, _letter: str) -> bool:
        """Is it to be tried first?"""
        return False

    def submit(self, items: Sequence[tuple[PendingLetter, Sequence[Attempt]]]) -> None:
        """Have letters tried, each with the attempts at it so far."""

    def holding(self, _letters: Iterable[str]) -> contextlib.AbstractContextManager[None]:
        """Work on letters, and let the next life of this process know."""
        return contextlib.nullcontext()

    def suspect(self, letter: str) -> None:
        """It took more memory than a process of its own would get: it is to be tried."""

    def settled(self, letters: Iterable[str]) -> None:
        """These are decided, and that is committed."""


def killed(death: Death) -> str:
    """The reason of a letter that is parked for what it does to processes."""
    return f"{ERROR_CLASS} at {death.stage or STAGE}: {death.message}"


def was_killed(reason: str | None, stage: str = "") -> bool:
    """Is a letter parked for that (at this stage)? Then no command tries it by the way."""
    return reason is not None and reason.startswith(f"{ERROR_CLASS} at {stage}")
