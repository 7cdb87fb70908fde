"""Who runs under a node_id: a row in PostgreSQL that its daemon keeps fresh.

Kafka ends the older of two static members of one name. So that a newcomer does not fell the daemon that is at work, it
asks here before it joins, and ends itself.
"""

from __future__ import annotations

import hashlib
import secrets
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etld import __version__
from etld.errors import EtldError
from etld.postgres import statements
from etld.postgres.compose import Jsonb
from etld.util.files import locked, write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable

    from etld.config import Config
    from etld.postgres.connections import Connection
    from etld.worker import Worker

_SQL = statements.load(__package__, "node_lease")
#: Seconds: so often a daemon beats, and after so long without a beat its place is free.
BEAT_EVERY, STALE = 2.0, 10.0
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class NodeIdTaken(EtldError):
    """Another daemon runs with our node_id."""

    code = "ETLD-S020"

    def __init__(self, node: str, place: str) -> None:
        super().__init__(
            f"node_id {node!r} is that of another daemon, which is at work ({place}): give each its own node_id in the"
            " configuration"
        )


@dataclass(frozen=True, slots=True)
class Node:
    """`identity` is the same for the daemon that comes back in the same state directory after it was killed."""

    node: str
    identity: str
    place: str
    #: The kinds of workers that it runs.
    roles: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: Config) -> Node:
        """This daemon; notes in its state directory who it is."""
        file = config.state_dir / "daemon.id"
        try:
            own = file.read_text().strip()
        except FileNotFoundError:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with locked(file.parent):
                if not file.exists():
                    write_atomically(file, f"{secrets.token_hex(8)}\n".encode())
            own = file.read_text().strip()
        identity, place = f"{own}/{_BOOT.read_text().strip()}", f"{socket.gethostname()}:{config.state_dir}"
        return cls(config.node_id, identity, place, tuple(config.roles.run))

    @property
    def daemon(self) -> str:
        """Its number in the static ids of its workers; another for a copy of its state directory."""
        return _number(self.identity, self.place)


def take(conn: Connection, cluster_id: str, node: Node, wait: Callable[[float], object]) -> None:
    """Take the node_id. Raises `NodeIdTaken` when another daemon beats; one that does not is waited for, and replaced.

    `wait(seconds)` is called between two looks.
    """
    first: object = None
    while not _try(conn, cluster_id, node, begins=True):
        holder = conn.execute(_SQL.holder, _named(cluster_id, node)).fetchone()
        if holder is not None:
            _, place, beat = holder
            if first is not None and beat != first:
                raise NodeIdTaken(node.node, place)
            first = beat
        wait(0.5)


def other_at_work(conn: Connection, node: Node, wait: Callable[[float], object]) -> str | None:
    """The place of another daemon that beats in this database, under any node_id; None when there is none.

    One that beat lately is watched until it beats again, or long enough. `wait(seconds)` is called between two looks.
    """
    row = conn.execute(_SQL.known).fetchone()
    if row is None or row[0] is None:
        return None
    first: dict[str, object] = {}
    while beats := dict(conn.execute(_SQL.others, {"identity": node.identity, "stale": STALE}).fetchall()):
        for place, beat in beats.items():
            if first.setdefault(place, beat) != beat:
                return str(place)
        wait(0.5)
    return None


def beats(conn: Connection, cluster_id: str) -> dict[str, object]:
    """When each daemon of this database was last heard of, by its number."""
    rows = conn.execute(_SQL.all, {"cluster": cluster_id})
    return {_number(identity, place): beat for identity, place, beat in rows}


def _number(identity: str, place: str) -> str:
    # Not the host: a container that is made anew has another, and is the same daemon.
    directory = place.partition(":")[2]
    return hashlib.sha256(f"{identity} {directory}".encode()).hexdigest()[:12]


def _try(conn: Connection, cluster_id: str, node: Node, *, begins: bool) -> bool:
    return conn.execute(_SQL.take, {**_named(cluster_id, node), "begins": begins}).fetchone() is not None


def _named(cluster_id: str, node: Node) -> dict[str, object]:
    named = {"cluster": cluster_id, "node": node.node, "identity": node.identity, "place": node.place}
    return {**named, "stale": STALE, "version": __version__, "roles": list(node.roles)}


class NodeLease:
    """Keeps the row of a worker's daemon fresh."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._config = worker.config
        self._next = 0.0
        #: What the row says of the daemon's state.
        self._told: object = None

    @property
    def daemon(self) -> str:
        """This daemon's number."""
        return Node.of(self._config).daemon

    def known(self, conn: Connection, cluster_id: str) -> set[str]:
        """The numbers of all that have ever been heard of, this one among them."""
        return {self.daemon, *beats(conn, cluster_id)}

    def beat(self, conn: Connection, cluster_id: str) -> None:
        """Now and then. Raises `NodeIdTaken` when another daemon has taken the node_id, since this one was away."""
        now = time.monotonic()
        if now < self._next:
            return
        node = Node.of(self._config)
        if not _try(conn, cluster_id, node, begins=False):
            holder = conn.execute(_SQL.holder, _named(cluster_id, node)).fetchone()
            raise NodeIdTaken(node.node, holder[1] if holder is not None else "it has gone since")
        if self._worker.host != self._told:
            self._told = self._worker.host
            conn.execute(_SQL.report, {**_named(cluster_id, node), "report": Jsonb(self._told)})
        self._next = now + BEAT_EVERY

    def leave(self, conn: Connection, cluster_id: str) -> None:
        """The daemon stops; until it takes the node_id again, nobody waits for its beats."""
        conn.execute(_SQL.leave, _named(cluster_id, Node.of(self._config)))
