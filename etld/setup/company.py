"""Is a daemon of another database at work in our consumer groups? Asked before anything is set up for it to share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.postgres import node_lease
from etld.stream.strangers import FAULT, StrangerInGroup, StrangerWait, others

if TYPE_CHECKING:
    from etld.kafka.admin import Admin
    from etld.postgres.connections import Connection
    from etld.postgres.node_lease import Node
    from etld.worker import Worker

_LOOK_EVERY = 0.5
# So often a daemon of our own may be silent between two beats, and nothing is said of it.
_SILENT_LOOKS = 6


def refuse_strangers(worker: Worker, admin: Admin, conn: Connection, cluster_id: str, node: Node) -> None:
    """Raise `StrangerInGroup` when one is there for longer than a session that has ended.

    Of a daemon whose row is here a beat is awaited: a copy of a database has the rows of those who beat elsewhere.
    """
    letters = worker.config.kafka.dead_letter_topic
    if letters not in admin.topics([letters]):
        return  # nobody has been here yet: a daemon makes its topics before it joins a group
    wait = StrangerWait(worker.config)
    first: dict[str, object] = {}
    looks = 0
    while not worker.stopping:
        there = others(admin, worker.config, node.daemon)
        beats = node_lease.beats(conn, cluster_id) if there else {}
        silent = [one for name, one in there.items() if beats.get(name) == first.setdefault(name, beats.get(name))]
        try:
            wait.look(silent)
        except StrangerInGroup as error:
            if error.final:
                raise
            looks += 1
            if looks > _SILENT_LOOKS:
                worker.fault(FAULT, str(error))
            worker.wait(_LOOK_EVERY)
        else:
            break
    worker.fault(FAULT, None)
