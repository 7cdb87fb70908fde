"""`etld rewind`: a consumer group reads records again that it has passed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etld.errors import EtldError
from etld.kafka.types import Partition
from etld.postgres import statements

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etld.kafka.types import Offset
    from etld.postgres.connections import Connection

_SQL = statements.load(__package__, "positions")
REWOUND = "rewound"


@dataclass(frozen=True, slots=True)
class Rewound:
    """A partition that is read again from `to` on; it had been read up to before `was`."""

    partition: Partition
    was: Offset
    to: Offset


def rewind(
    conn: Connection, cluster_id: str, group: str, topic: str, topic_id: str, to: Mapping[int, Offset]
) -> list[Rewound]:
    """Move positions back to `to` (by partition); one that is not beyond it stays. Waits for the batch in hand.

    The life of a position so far, with its counts, goes to the history, and a new one begins: so each life has counted
    each of its records once. Raises `EtldError` where a partition is halted.
    """
    done = []
    with conn.transaction():
        rows = conn.execute(_SQL.to_rewind, {"cluster": cluster_id, "group": group, "topic": topic}).fetchall()
        for name, number, its_id, next_offset, halted in rows:
            partition = Partition(name, number)
            if halted or its_id != topic_id:
                raise EtldError(
                    f"{partition} stands still ({halted or 'the topic was made anew'}):"
                    f" `etld resume processor --from low {partition}` first",
                    code="ETLD-T008",
                )
            target = to.get(number, next_offset)
            if target >= next_offset:
                continue
            where = {"cluster": cluster_id, "group": group, "topic": name, "partition": number}
            conn.execute(_SQL.archive, {**where, "reason": REWOUND})
            # The epoch is raised: whoever owns the partition is fenced, and claims it anew from here.
            conn.execute(_SQL.restart, {**where, "topic_id": topic_id, "low": target})
            done.append(Rewound(partition, next_offset, target))
    return done
