"""A cluster that is reached through the client library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etld.kafka.admin import Admin
from etld.kafka.consumer import GroupConsumer
from etld.kafka.producer import Producer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etld.kafka.ports import Membership, OnAssign, OnRevoke

# A worker stands still while it asks, and is to say within five seconds that it gets no answer.
_ANSWER_WITHIN = 4.0


class KafkaCluster:
    """See `ports.ClusterPort`. `settings` are those of `client_settings`."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = settings

    def admin(self) -> Admin:
        """A client that asks."""
        return Admin(self._settings, _ANSWER_WITHIN)

    def consumer(self, membership: Membership, on_assign: OnAssign, on_revoke: OnRevoke) -> GroupConsumer:
        """A client that reads."""
        return GroupConsumer(self._settings, membership, on_assign, on_revoke)

    def producer(self) -> Producer:
        """A client that writes."""
        return Producer(self._settings)
