"""How long the supervisor waits for which worker."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from etld.supervisor.slots.machine import Patience

if TYPE_CHECKING:
    from etld.config.sections.operation import SupervisorSection
    from etld.supervisor.kinds import WorkerKind

#: Seconds. Every role waits for the embedded parts: they are tried again more often than a role.
_EMBEDDED_BACKOFF = 3.0
#: Of stop_timeout, what a worker has to finish when it is replaced.
_GRACE_SHARE = 2 / 3


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """`grace`: seconds that a worker has to finish when it is asked to stop."""

    roles: Patience = field(default_factory=Patience)
    embedded: Patience = field(default_factory=Patience)
    grace: float = 30.0

    @classmethod
    def of_config(cls, section: SupervisorSection) -> WorkerLimits:
        """From the section [supervisor] of the configuration."""
        roles = Patience(
            section.start_seconds, section.max_failures, backoff_max=section.backoff_max, hang=section.hang_timeout
        )
        backoff_max = min(section.backoff_max, _EMBEDDED_BACKOFF)
        embedded = replace(roles, hang=section.embedded_hang_timeout, backoff_max=backoff_max)
        return cls(roles, embedded, section.stop_timeout * _GRACE_SHARE)

    def of_kind(self, kind: WorkerKind, *, was_up: bool) -> Patience:
        """Embedded parts and set-up are slower than roles.

        `was_up`: the daemon has been up, so the embedded parts have run here, and what ends them (a full disk) may
        pass: they are not given up.
        """
        if kind.embedded and was_up:
            return replace(self.embedded, max_failures=0)
        return self.embedded if kind.embedded or kind.one_shot else self.roles
