"""What outlives a session: the cluster, the sink, and what this process has claimed."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etld.kafka.cluster import KafkaCluster
from etld.kafka.settings import client_settings
from etld.sinks.base import PIECE, Consumer
from etld.sinks.registry import SINKS
from etld.stream.behind import LagInTime
from etld.stream.strangers import FirstClaim

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

    from etld.kafka.ports import ClusterPort
    from etld.kafka.types import Offset, Partition
    from etld.sinks.registry import OpenSink
    from etld.stream.handler import BatchHandler
    from etld.worker import Worker


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How large a batch is at most (records, bytes), and how long (seconds) a record waits for company.

    A batch of which the sink refuses too much comes again in pieces of `piece` records.
    """

    max_records: int
    max_bytes: int
    linger: float
    piece: int = PIECE


@dataclass(frozen=True, slots=True)
class Timings:
    """How long the loop waits, and how often it looks, in seconds.

    A poll waits `idle_poll` for records, and `busy_poll` while a batch is written; `still_poll` while nothing may be
    read, which is looked at again after `stand_still`. A broker that sends nothing is asked `probe_every`: it hangs,
    perhaps, and that is to be told within five seconds; a session that reads nothing of what is there is begun anew
    `stalled_after`. The work beside the batches has its turn `idle_every` when
    nothing comes, and `idle_under_load`. `session_retry` and `write_retry` are the waits before the second try; each
    later one is longer.
    """

    idle_poll: float = 0.5
    busy_poll: float = 0.02
    still_poll: float = 0.1
    stand_still: float = 0.2
    probe_every: float = 1.5
    stalled_after: float = 30.0
    check_topics_every: float = 5.0
    report_every: float = 1.0
    idle_every: float = 1.0
    idle_under_load: float = 0.25
    session_retry: float = 0.2
    write_retry: float = 0.1


class Resources:
    """The ways of one worker to Kafka and its sink; `cluster` and `open_sink` take the place of the real ones.

    Raises `KafkaProblem` when the cluster does not say who it is.
    """

    def __init__(
        self,
        worker: Worker,
        handler: BatchHandler[Any],
        cluster: ClusterPort | None = None,
        open_sink: OpenSink | None = None,
    ) -> None:
        self.group = f"etld-{handler.group}"
        self.group_in_kafka = worker.config.kafka.prefixed(self.group)
        self.cluster = cluster or KafkaCluster(client_settings(worker.config, worker.addresses))
        self.admin = self.cluster.admin()
        self.cluster_id = self.admin.cluster_id()
        # The embedded Tansu forgets its topics when it ends.
        in_memory = worker.config.kafka.bootstrap_servers == "embedded" and self.cluster_id.startswith("tansu")
        #: Who writes positions: the token tells this process from any other of the same name.
        owner = f"{worker.config.node_id}/{worker.name}#{secrets.token_hex(4)}"
        open_it = open_sink or SINKS[handler.sink]
        self.sink = open_it(worker, Consumer(self.cluster_id, self.group, owner, in_memory))

        def known() -> Collection[str] | None:
            with self.sink.beside() as side:
                return handler.daemons(side)

        self.first_claim = FirstClaim(self.admin, worker.config, handler.daemon(), known)
        #: Every partition that this process has ever claimed.
        self.claimed: set[Partition] = set()
        #: How far it has written each, to tell after a failover of the sink how far back that is.
        self.reached: dict[Partition, Offset] = {}
        #: For how long each partition has waited.
        self.in_time: dict[Partition, LagInTime] = {}
        #: When the work beside the batches was last done, monotonic.
        self.idled_at = float("-inf")
