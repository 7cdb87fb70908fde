"""Daemons of another database in our consumer groups: each would take a share of the events from the other.

A member's static id names its daemon, and a daemon beats in its database. So who is in the group, and not known to our
database, works for another. Kafka counts a member that was killed as alive for the session timeout: strangers are
waited for a little longer than that.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from etld.errors import EtldError
from etld.kafka.static_id import daemon_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from etld.config import Config
    from etld.kafka.ports import AdminPort
    from etld.kafka.types import GroupMember

#: The name of the fault while strangers are waited for.
FAULT = "consumer-group"
# In session timeouts: when one that was killed has gone, and when one has that waited so long before it gave up.
_GONE, _GONE_AFTER_WAITING = 1.5, 3.5


class StrangerInGroup(EtldError):
    """A daemon of another database is in a consumer group of ours. `final`: it was waited for long enough."""

    code = "ETLD-K010"

    def __init__(self, stranger: GroupMember, *, final: bool) -> None:
        node = stranger.client_id.removeprefix("etld-")
        who = (
            f"consumer group {stranger.group} has a member (node_id {node!r}, host {stranger.host}) of a daemon that"
            " this database has not heard from"
        )
        super().__init__(
            f"{who}: it works for another database, and the two would share the events between them. Give one its own"
            ' [kafka] prefix, such as "stage-", or both the same postgres.dsn'
            if final
            else f"waiting: {who} yet; it may be one that has just ended"
        )
        self.final = final


def others(admin: AdminPort, config: Config, own: str) -> dict[str, GroupMember]:
    """The first member of each other daemon in our groups, by the daemon. Raises `KafkaProblem`."""
    members = reversed(admin.members(config.consumer_groups))
    return {daemon: one for one in members if (daemon := daemon_of(one.instance)) not in (None, own)}


class StrangerWait:
    """How long strangers are waited for; `clock` is in seconds."""

    def __init__(self, config: Config, clock: Callable[[], float] = time.monotonic) -> None:
        self._timeout = config.kafka.session_timeout
        self._clock = clock
        self._since: float | None = None

    def look(self, strangers: Collection[GroupMember], *, longer: bool = False) -> None:
        """Raise `StrangerInGroup` when there are some; `longer`: they are expected to give up before us."""
        now = self._clock()
        if not strangers:
            self._since = None
            return
        if self._since is None:
            self._since = now
        final = now - self._since > (_GONE_AFTER_WAITING if longer else _GONE) * self._timeout
        raise StrangerInGroup(min(strangers, key=lambda one: (one.group, one.instance)), final=final)


class FirstClaim:
    """Looks before the first claim of a process.

    Set-up has looked before; but of two daemons that start at once neither saw the other. Now both are members, and
    at least one sees the other: the one with the larger number gives up, the other one waits until it has gone.
    """

    def __init__(
        self,
        admin: AdminPort,
        config: Config,
        own: str,
        known: Callable[[], Collection[str] | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._admin = admin
        self._config = config
        self._own = own
        self._known = known
        self._wait = StrangerWait(config, clock)
        self._passed = False

    def check(self) -> None:
        """Raises `StrangerInGroup`, `KafkaProblem`, and what `known` raises."""
        if self._passed:
            return
        there = others(self._admin, self._config, self._own)
        known = self._known() if there else ()
        strangers = {} if known is None else {name: one for name, one in there.items() if name not in known}
        self._wait.look(strangers.values(), longer=self._own < min(strangers, default=self._own))
        self._passed = True
