"""Leases: what one worker of all hosts does for all of them.

A lease is a row that its holder renews. Its time is that of the database's clock, so that hosts' clocks do not matter.
Who takes one raises its epoch; a holder that was frozen meanwhile learns of it by the epoch, in the transaction that it
was about to commit. After a failover of PostgreSQL epochs are those of another timeline: none is given twice.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from etld.errors import EtldError
from etld.postgres import statements

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from etld.postgres.connections import Connection

_SQL = statements.load(__package__, "lease")
#: Seconds: so often a lease is renewed, or looked for, and so long it is held without that.
RENEW_EVERY, LASTS = 2.0, 6.0

CHARTS, STORAGE, SUMMARIES, HOSTS = "charts", "storage", "summaries", "hosts"


class LeaseLost(EtldError):
    """Another host has taken the lease: what was begun under it is not done."""

    code = "ETLD-P021"


class Leases:
    """Those of `names` that this process holds; `node` is the host's node_id.

    `holder` is "NAME#TOKEN": the token tells this process from the one before it of that name, which has ended.

    `keep` is called in one thread; the rest is asked in any. `clock` is monotonic, in seconds.
    """

    def __init__(
        self, holder: str, node: str, names: Sequence[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._holder = holder
        self._node = node
        self._names = list(names)
        self._clock = clock
        self._next = 0.0
        self._until = 0.0
        self._epochs: Mapping[str, int] = {}

    def keep(self, conn: Connection) -> None:
        """Renew what is held, and take what nobody holds, when it is time. Raises the database's errors."""
        asked = self._clock()
        if asked < self._next:
            return
        given = {"holder": self._holder, "node": self._node, "names": self._names, "lasts": LASTS}
        with conn.transaction():
            held = dict(conn.execute(_SQL.renew, given).fetchall())
            if len(held) < len(self._names):
                held |= dict(conn.execute(_SQL.take, given).fetchall())
        # Of a time before the answer: then it is over here before another may take it.
        self._epochs, self._until, self._next = held, asked + LASTS, asked + RENEW_EVERY

    def holds(self, name: str) -> bool:
        """Is it held, as far as one can tell without asking?"""
        return name in self._epochs and self._clock() < self._until

    def fence(self, conn: Connection, name: str) -> None:
        """As the last statement of a transaction: it is done under the lease, or raises `LeaseLost`."""
        given = {"name": name, "holder": self._holder, "epoch": self._epochs.get(name, 0)}
        if conn.execute(_SQL.fence, given).fetchone() is None:
            self._epochs = {}
            raise LeaseLost(f"another host has taken over the lease {name!r}; nothing was written")

    def release(self, conn: Connection) -> None:
        """Give all up, so that others need not wait. Raises the database's errors."""
        self._epochs = {}
        conn.execute(_SQL.release, {"holder": self._holder})


def timeline(conn: Connection) -> int:
    """The timeline that the server writes: another one after each failover. 0: it tells of none."""
    row = conn.execute(_SQL.timeline).fetchone()
    assert row is not None
    return int(row[0])


def holders(conn: Connection) -> list[tuple[str, str, object]]:
    """Each lease, the node_id of who holds it ("": nobody), and since when."""
    return [(name, node, since) for name, node, since in conn.execute(_SQL.all)]
