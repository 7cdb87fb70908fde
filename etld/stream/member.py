"""What a session is called in its consumer group, and whether the group would miss it."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from etld.kafka.errors import KafkaProblem
from etld.kafka.static_id import daemon_of, static_id

if TYPE_CHECKING:
    from etld.kafka.ports import AdminPort
    from etld.stream.handler import BatchHandler
    from etld.stream.resources import Resources
    from etld.worker import Worker


def instance(worker: Worker, admin: AdminPort, handler: BatchHandler[Any]) -> str:
    """The static id of a worker's slot, for its set of topics.

    A static member that comes back is given its old partitions without a rebalance. With other topics it would wait
    for ever for the new ones, and of a topic that was made anew with fewer partitions it would get some that are no
    more: so with other topics, or topic ids, it is another member.
    """
    there = admin.topics(handler.topics)
    named = ",".join(f"{topic}={there[topic].topic_id if topic in there else ''}" for topic in sorted(handler.topics))
    return static_id(worker.config.node_id, worker.name, zlib.crc32(named.encode()), handler.daemon())


def is_missed(worker: Worker, resources: Resources, handler: BatchHandler[Any], own: str) -> bool:
    """Does it go for good, and is there somebody who would read its partitions? `own` is its static id.

    Where all go together they are to find them as they were: an empty group waits for its members at first.
    """
    worker.receive()  # SIGTERM may have come before the message that says why
    if worker.leaves is None:
        return False
    try:
        members = resources.admin.members([resources.group_in_kafka])
    except KafkaProblem:
        return False
    others = {one.instance for one in members} - {own}
    if worker.leaves == "daemon":
        others = {one for one in others if daemon_of(one) != handler.daemon()}
    return bool(others)
