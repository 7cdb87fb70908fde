"""Topics, their ids and watermarks, and who the cluster is."""

from __future__ import annotations

import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any

import confluent_kafka
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, OffsetSpec

from etld.kafka.errors import KafkaProblem, SettingsRefused
from etld.kafka.types import GroupMember, Partition, Topic, Watermarks
from etld.util.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from etld.kafka.types import Offset

log = logging.getLogger("etld.kafka")

TIMEOUT = 10.0
# A group that there is not, that others own, or of a broker that tells of none.
_NO_MEMBERS = frozenset(
    {
        confluent_kafka.KafkaError.GROUP_ID_NOT_FOUND,
        confluent_kafka.KafkaError.GROUP_AUTHORIZATION_FAILED,
        confluent_kafka.KafkaError._UNSUPPORTED_FEATURE,
    }
)
# A cluster where nobody has joined a group yet makes the topic of groups first.
_SOON = frozenset(
    {
        confluent_kafka.KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        confluent_kafka.KafkaError.COORDINATOR_NOT_AVAILABLE,
        confluent_kafka.KafkaError.NOT_COORDINATOR,
    }
)
_ASK_AGAIN = 0.1
# Seconds that a new client has to connect, before another one takes its place.
_PATIENCE, _LONGEST_PATIENCE = 2.0, 10.0


class Admin:
    """Asks and changes the cluster. Every call raises `KafkaProblem` when the cluster does not answer.

    Raises `SettingsRefused` for settings that no client can be made with.
    """

    def __init__(self, settings: Mapping[str, Any], timeout: float = TIMEOUT) -> None:
        self._settings = dict(settings)
        try:
            self._client = AdminClient(dict(settings), logger=log)
        except confluent_kafka.KafkaException as error:
            raise SettingsRefused(f"[kafka]: the client library refuses the settings: {_text(error)}") from error
        self._timeout = timeout
        # Does the client wait for word of partitions' leaders that will never come?
        self._leaders_unknown = False
        self._patience = Backoff(_PATIENCE, _LONGEST_PATIENCE)
        self._renew_at = 0.0

    def cluster_id(self) -> str:
        """The id that the cluster was formatted with."""
        return str(self._metadata().cluster_id or "")

    def brokers(self) -> int:
        """How many brokers are up."""
        return len(self._metadata().brokers)

    def topics(self, names: Iterable[str], timeout: float | None = None) -> dict[str, Topic]:
        """The topics of `names` that exist, by name; asked for up to twice `timeout` seconds."""
        timeout = self._timeout if timeout is None else timeout
        metadata = self._metadata(timeout)
        known = [name for name in names if name in metadata.topics and metadata.topics[name].error is None]
        if not known:
            return {}
        found: dict[str, Topic] = {}
        futures = self._client.describe_topics(confluent_kafka.TopicCollection(known), request_timeout=timeout)
        for name, future in futures.items():
            try:
                described = future.result(timeout)
            except confluent_kafka.KafkaException as error:
                if error.args[0].code() == confluent_kafka.KafkaError.UNKNOWN_TOPIC_OR_PART:
                    continue
                raise KafkaProblem(f"Kafka does not describe topic {name}: {_text(error)}") from error
            except Exception as error:
                raise KafkaProblem(f"Kafka does not describe topic {name}: {_text(error)}") from error
            replicas = len(described.partitions[0].replicas) if described.partitions else 0
            found[name] = Topic(name, str(described.topic_id), len(described.partitions), replicas)
        return found

    def create_topic(self, name: str, partitions: int, replicas: int, config: Mapping[str, str]) -> bool:
        """Create a topic; False when it was there already."""
        new = NewTopic(name, num_partitions=partitions, replication_factor=replicas, config=dict(config))
        future = self._client.create_topics([new], request_timeout=self._timeout)[name]
        try:
            future.result(self._timeout)
        except confluent_kafka.KafkaException as error:
            if error.args[0].code() == confluent_kafka.KafkaError.TOPIC_ALREADY_EXISTS:
                return False
            raise KafkaProblem(f"Kafka does not create topic {name}: {_text(error)}") from error
        except Exception as error:
            raise KafkaProblem(f"Kafka does not create topic {name}: {_text(error)}") from error
        return True

    def topic_config(self, name: str) -> dict[str, str]:
        """The settings of a topic, defaults included; {} from a broker that does not tell."""
        resource = ConfigResource(ConfigResource.Type.TOPIC, name)
        try:
            answer = self._client.describe_configs([resource], request_timeout=self._timeout)[resource]
            entries = answer.result(self._timeout)
        except Exception as error:
            raise KafkaProblem(f"Kafka does not tell the settings of topic {name}: {_text(error)}") from error
        return {key: entry.value for key, entry in entries.items() if entry.value is not None}

    def set_topic_config(self, name: str, settings: Mapping[str, str]) -> None:
        """Change settings of a topic; the others stay."""
        entries = [
            ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET) for key, value in settings.items()
        ]
        resource = ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=entries)
        try:
            future = self._client.incremental_alter_configs([resource], request_timeout=self._timeout)[resource]
            future.result(self._timeout)
        except Exception as error:
            raise KafkaProblem(f"Kafka does not change the settings of topic {name}: {_text(error)}") from error

    def watermarks(self, topic: str, numbers: Iterable[int]) -> dict[int, Watermarks]:
        """The ends of partitions of a topic, by their numbers."""
        pairs = [confluent_kafka.TopicPartition(topic, number) for number in numbers]
        ends: list[dict[int, int]] = []
        for spec in (OffsetSpec.earliest(), OffsetSpec.latest()):
            futures = self._client.list_offsets(dict.fromkeys(pairs, spec), request_timeout=self._timeout)
            try:
                ends.append({tp.partition: future.result(self._timeout).offset for tp, future in futures.items()})
            except Exception as error:
                raise KafkaProblem(f"Kafka does not tell the offsets of topic {topic}: {_text(error)}") from error
        low, high = ends
        return {number: Watermarks(low[number], high[number]) for number in low}

    def ends(self, partitions: Iterable[Partition], timeout: float) -> dict[Partition, Offset]:
        """Up to where partitions can be read now; asked for up to `timeout` seconds, also when there are none.

        One that a broker will not tell of is left out.
        """
        wanted = {confluent_kafka.TopicPartition(*one): OffsetSpec.latest() for one in partitions}
        if not wanted or self._leaders_unknown:
            # After a request for leaders that was not answered in time the client library asks for them no more and
            # waits, each time anew. All metadata at once end that.
            self._metadata(timeout)
            self._leaders_unknown = False
        if not wanted:
            return {}
        committed = confluent_kafka.IsolationLevel.READ_COMMITTED
        found: dict[Partition, Offset] = {}
        is_stale = False
        futures = self._client.list_offsets(wanted, isolation_level=committed, request_timeout=timeout)
        for one, told in futures.items():
            try:
                found[Partition(one.topic, one.partition)] = told.result(timeout).offset
            except Exception as error:
                if not (isinstance(error, confluent_kafka.KafkaException) and error.args[0].code() > 0):
                    self._leaders_unknown = True
                    self._renew()
                    raise KafkaProblem(f"Kafka does not tell where partitions end: {_text(error)}") from error
                is_stale = True  # a broker has answered: a partition has another leader, or another epoch of it
        self._patience.reset()
        if is_stale:
            self._metadata(timeout)  # so that the next question goes to who leads now
        return found

    def committed(self, group: str, partitions: Sequence[Partition]) -> dict[Partition, Offset]:
        """What members of a consumer group told for lag tools; a partition of which none told is left out."""
        asked = confluent_kafka.ConsumerGroupTopicPartitions(
            group, [confluent_kafka.TopicPartition(*one) for one in partitions]
        )
        try:
            future = self._client.list_consumer_group_offsets([asked], request_timeout=self._timeout)[group]
            found = future.result(self._timeout).topic_partitions
        except Exception as error:
            raise KafkaProblem(f"Kafka does not tell the offsets of consumer group {group}: {_text(error)}") from error
        return {Partition(one.topic, one.partition): one.offset for one in found or () if one.offset >= 0}

    def members(self, groups: Sequence[str]) -> list[GroupMember]:
        """Who is in consumer groups; one that there is not, or that this user may not see, has no members."""
        deadline = time.monotonic() + self._timeout
        found: list[GroupMember] = []
        waiting = list(groups)
        while waiting:
            again = []
            for group, future in self._client.describe_consumer_groups(waiting, request_timeout=self._timeout).items():
                try:
                    found += _members(group, future.result(self._timeout))
                except Exception as error:
                    code = error.args[0].code() if isinstance(error, confluent_kafka.KafkaException) else None
                    if code in _SOON and time.monotonic() < deadline:
                        again.append(group)
                    elif code not in _NO_MEMBERS:
                        text = _text(error) or type(error).__name__
                        raise KafkaProblem(f"Kafka does not describe consumer group {group}: {text}") from error
            waiting = again
            if waiting:
                time.sleep(_ASK_AGAIN)
        return found

    def _metadata(self, timeout: float | None = None) -> Any:
        try:
            found = self._client.list_topics(timeout=self._timeout if timeout is None else timeout)
        except confluent_kafka.KafkaException as error:
            self._renew()
            raise KafkaProblem(f"Kafka does not answer: {_text(error)}", code="ETLD-K001") from error
        self._patience.reset()
        return found

    def _renew(self) -> None:
        """Begin with another client when this one has had its time to connect.

        After a broker was silent a client now and then has no connection any more, and makes none.
        """
        now = time.monotonic()
        if now >= self._renew_at:
            self._renew_at = now + self._patience.next()
            with contextlib.suppress(confluent_kafka.KafkaException):  # such as a file that is being replaced
                self._client = AdminClient(self._settings, logger=log)
                self._leaders_unknown = False


def _members(group: str, described: Any) -> list[GroupMember]:
    return [
        GroupMember(group, one.group_instance_id or "", one.client_id or "", (one.host or "").lstrip("/"))
        for one in described.members
    ]


def _text(error: BaseException) -> str:
    cause = error.args[0] if error.args else error
    return cause.str() if isinstance(cause, confluent_kafka.KafkaError) else str(error) or type(error).__name__
