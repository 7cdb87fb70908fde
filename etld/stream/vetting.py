"""Records that may end the worker are tried in a process of their own before the worker has them.

A partition is held back while its records are tried, and the others flow. Which records that are, the note of what is
in hand says (`etld.isolation.in_hand`), and for a while after a record was found that ends processes, all of its topic.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etld.isolation.fork_server import ForkServer, Order
from etld.isolation.in_hand import Held, InHand, Killer, text_of
from etld.isolation.search import Death, Means, SearchStopped, search
from etld.kafka.types import Partition
from etld.serdes import formats
from etld.stream.batch import Batch
from etld.stream.killers import Killers

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from etld.isolation.program import Ending
    from etld.kafka.types import Offset
    from etld.stream.batch import PartitionBatch
    from etld.stream.handler import BatchHandler
    from etld.worker import Worker

log = logging.getLogger("etld.stream")

#: So many records are tried in one piece, and written in one.
_PIECE = 256
#: Seconds for which all records of a topic are tried after one that ended a process.
_CAREFUL = 60.0
#: A record by itself may take this share of the time after which a silent worker has hung.
_CPU_SHARE = 0.1
_THREADS = 4


@dataclass(frozen=True, slots=True)
class _Tried:
    """Records that were tried, and which of them the worker must not have; `is_last` of the share that was held."""

    token: object
    batches: list[Batch]
    deaths: dict[Offset, Death]
    partition: Partition
    is_last: bool


class _Lane:
    """One partition's records that wait for being tried, in order; only the first share is tried now."""

    def __init__(self, share: PartitionBatch) -> None:
        self.token = object()
        self.shares = deque([share])
        #: What is before it has been tried, and is the worker's.
        self.next = share.expected
        #: What is wrong, in words, once a try has failed.
        self.problem = ""


class Vetting:
    """Of one worker, over all its sessions; all is called in the loop's thread but what `_search` calls."""

    def __init__(self, worker: Worker, handler: BatchHandler[Any]) -> None:
        self._worker = worker
        self._handler = handler
        self._program = handler.program()
        path = worker.config.state_dir / "in-hand" / worker.name if self._program else None
        self.in_hand = InHand(path, ended_by_itself=worker.ended_by_itself)
        self.killers = handler.killers = Killers()
        self._lanes: dict[Partition, _Lane] = {}
        self._tried: deque[_Tried] = deque()
        #: A value of each topic that was worked on last.
        self._samples: dict[str, bytes | None] = {}
        self._cleared: dict[Partition, Offset] = {}
        self._stop = threading.Event()
        self._server: ForkServer | None = None
        self._threads: ThreadPoolExecutor | None = None
        for one in self.in_hand.suspects():
            log.warning("this worker ended with the same in hand before: %s %d-%d", one.key, one.first, one.until - 1)

    @property
    def watchful(self) -> bool:
        """Is there anything to hold back, as far as is known?"""
        note = self.in_hand
        return self._program is not None and bool(self._lanes or note.suspicions or note.killers or note.careful)

    @property
    def partitions(self) -> Collection[Partition]:
        """Those that are held back."""
        return self._lanes.keys()

    def waiting(self) -> dict[Partition, Offset]:
        """From where on each partition is held back."""
        return {partition: lane.next for partition, lane in self._lanes.items()}

    def note(self, batch: Batch) -> bytes:
        """What the note says of a batch."""
        return text_of(map(_held, batch)) if self._program is not None else b"[]"

    def take(self, batch: Batch) -> Batch | None:
        """Hold back what is to be tried first; the rest of the batch, None when nothing is left."""
        # Where one record ends processes, more of its topic may: each of them would cost a life of the worker.
        topics = self.in_hand.careful | {key.topic for key in self._suspects() if key in self._handler.owned}
        free = []
        for share in batch:
            self.killers.add(share.partition, self._known(share))
            if share.partition in self._lanes or (share.count and share.partition.topic in topics):
                self._hold(share)
            else:
                free.append(share)
        return Batch(tuple(free)) if free else None

    def suspect(self, batch: Batch) -> bool:
        """The worker's own code broke on this batch: is it to be tried? Not what was before."""
        new = [share for share in batch if share.next_offset > self._cleared.get(share.partition, 0)]
        if self._program is None or not new:
            return False
        self.in_hand.suspect(map(_held, new))
        return True

    def vetted(self) -> list[Batch]:
        """What has been tried since the last call, for the worker to have."""
        batches: list[Batch] = []
        while self._tried:
            tried = self._tried.popleft()
            lane = self._lanes.get(tried.partition)
            if lane is None or lane.token is not tried.token:
                continue  # dropped meanwhile
            self._note_deaths(tried)
            batches += tried.batches
            if tried.batches:
                (share,) = tried.batches[-1].shares
                self._cleared[tried.partition] = share.next_offset
                lane.next = share.next_offset
            if tried.is_last:
                lane.shares.popleft()
                if lane.shares:
                    lane.next = lane.shares[0].expected
                    self._submit(lane)
                else:
                    del self._lanes[tried.partition]
        return batches

    def committed(self, batch: Batch) -> None:
        """These records are written: nobody needs to look at them again."""
        self.killers.passed(batch)
        for share in batch:
            if share.count:
                self._samples[share.partition.topic] = share.records.values[0]
        if self.in_hand.suspicions or self.in_hand.killers:
            for share in batch:
                self.in_hand.passed(_held(share))

    def drop(self, partitions: Iterable[Partition] | None = None) -> None:
        """Forget what waits of these partitions, or of all: it is read again."""
        for partition in list(self._lanes) if partitions is None else partitions:
            self._lanes.pop(partition, None)

    def problem(self) -> str | None:
        """What is searched, in words, or None."""
        return "; ".join(lane.problem for lane in self._lanes.values() if lane.problem) or None

    def close(self) -> None:
        """End the processes and threads."""
        self._stop.set()
        if self._server is not None:
            self._server.close()
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def _known(self, share: PartitionBatch) -> dict[Offset, Death]:
        """What this life, or one before it, has found in a partition."""
        same = (one for one in self.in_hand.killers if one.held.is_of(_held(share)) and one.life == share.topic_id)
        return {one.held.first: Death(one.stage, one.how, one.times) for one in same}

    def _suspects(self) -> list[Partition]:
        keys = (one.key.rpartition(":") for one in self.in_hand.suspects())
        return [Partition(topic, int(number)) for topic, _, number in keys]

    def _hold(self, share: PartitionBatch) -> None:
        lane = self._lanes.get(share.partition)
        if lane is not None:
            lane.shares.append(share)
            return
        lane = self._lanes[share.partition] = _Lane(share)
        self._submit(lane)

    def _submit(self, lane: _Lane) -> None:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, "search")
        self._threads.submit(self._search, lane, lane.token, lane.shares[0])

    def _note_deaths(self, tried: _Tried) -> None:
        if not tried.deaths:
            return
        topic, number = tried.partition
        self.killers.add(tried.partition, tried.deaths)
        self.in_hand.be_careful(topic, _CAREFUL)
        self._worker.count("killers", len(tried.deaths), topic=topic)
        for offset, death in tried.deaths.items():
            where = {"topic": topic, "partition": number, "offset": offset}
            log.error("a record ends the process that works on it: %s; it is left out", death.how, extra=where)

    # -- in a thread of their own

    def _search(self, lane: _Lane, token: object, share: PartitionBatch) -> None:
        left = list(Batch((share,)).pieces(_PIECE))
        try:
            while left and lane is self._lanes.get(share.partition):
                self._tried.append(self._try(lane, token, left[0], is_last=len(left) == 1))
                del left[0]
        except SearchStopped:
            pass
        except Exception:
            # Rather the worker than nobody.
            log.exception("cannot try the records of %s", share.partition)
            self._tried.append(_Tried(token, left, {}, share.partition, is_last=True))

    def _try(self, lane: _Lane, token: object, piece: Batch, *, is_last: bool) -> _Tried:
        (share,) = piece.shares
        topic, number = share.partition
        where = f"{topic}:{number} offsets {share.expected}-{share.next_offset - 1}"
        searching = f"searching {where} for a record that ends the worker"

        def wait(seconds: float) -> None:
            if self._stop.wait(seconds) or lane is not self._lanes.get(share.partition):
                raise SearchStopped

        def attempt(values: Sequence[Any], each: bool, cpu: float) -> Ending:
            wait(0)
            order = Order(topic, each, cpu, self._worker.config.supervisor.hang_timeout)
            ending = self._fork_server().trial(values, order)
            if ending.kind != "passed":
                lane.problem = searching
            return ending

        def tell(why: str | None) -> None:
            lane.problem = f"{searching}; that stands still: {why}" if why else lane.problem and searching

        cpu = self._worker.config.supervisor.hang_timeout * _CPU_SHARE

        def condemn(at: int, death: Death) -> None:
            offset = share.records.offsets[at]
            one = Held("records", str(share.partition), offset, offset + 1)
            self.in_hand.condemn(Killer(one, share.topic_id, death.stage, death.how, death.times))

        means = Means(attempt, wait, tell, cpu, self._samples.get(topic), condemn)
        values = formats.framed(self.killers.values(share), share.records.header(formats.SCHEMA_HEADER))
        found = search(values, means)
        lane.problem = ""
        deaths = {share.records.offsets[at]: death for at, death in found.deaths.items()}
        batches = list(piece.pieces(1)) if found.apart else [piece]
        return _Tried(token, batches, deaths, share.partition, is_last)

    def _fork_server(self) -> ForkServer:
        if self._stop.is_set():
            raise SearchStopped
        if self._server is None:
            assert self._program is not None
            self._server = ForkServer(self._worker.name, self._program)
        return self._server


def _held(share: PartitionBatch) -> Held:
    return Held("records", str(share.partition), share.expected, share.next_offset)
