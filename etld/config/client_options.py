"""Options of librdkafka that [kafka.client] may not set: each would break what etld promises, or has a key of its own.

Names: https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from etld.config.mistakes import Mistake

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ACKNOWLEDGED = "an event that was accepted is on all replicas in sync, and there once"
_POSITIONS = "positions are kept in PostgreSQL, with what they stand for, and only there"
_MEMBERS = "etld's workers are static members that hand partitions over without losing their place"
_REFUSED: dict[str, str] = {
    **dict.fromkeys(
        [
            "acks",
            "request.required.acks",
            "enable.idempotence",
            "enable.gapless.guarantee",
            "transactional.id",
            "retries",
            "message.send.max.retries",
            "max.in.flight",
            "max.in.flight.requests.per.connection",
            "delivery.report.only.error",
            "queuing.strategy",
            "produce.offset.report",
        ],
        _ACKNOWLEDGED,
    ),
    **dict.fromkeys(
        [
            "enable.auto.commit",
            "auto.commit.enable",
            "auto.commit.interval.ms",
            "enable.auto.offset.store",
            "auto.offset.reset",
            "enable.partition.eof",
            "offset.store.method",
            "offset.store.path",
            "offset.store.sync.interval.ms",
        ],
        _POSITIONS,
    ),
    **dict.fromkeys(
        [
            "group.id",
            "group.instance.id",
            "group.protocol",
            "group.protocol.type",
            "group.remote.assignor",
            "partition.assignment.strategy",
        ],
        _MEMBERS,
    ),
    "isolation.level": "an event of a transaction that was aborted must not be read",
    "allow.auto.create.topics": "topics are made by set-up, with their partitions and replicas",
    "message.max.bytes": "how large a record may be is the topic's to say (max.message.bytes), and ingest.max_event's",
    "message.copy.max.bytes": "a record's bytes must stay what they were when it was sent",
    **dict.fromkeys(
        ["plugin.library.paths", "ssl.engine.location"],
        "no foreign code runs in the workers by way of the configuration",
    ),
    "opaque": "it is no option of a file",
    "default_topic_conf": "it is no option of a file",
}
_OWN_KEYS: dict[str, str] = {
    "bootstrap.servers": "bootstrap_servers",
    "metadata.broker.list": "bootstrap_servers",
    "security.protocol": "security_protocol",
    "sasl.mechanism": "sasl_mechanism",
    "sasl.mechanisms": "sasl_mechanism",
    "sasl.username": "sasl_username",
    "sasl.password": "sasl_password_file",
    "ssl.ca.location": "ssl_ca_file",
    "ssl.ca.pem": "ssl_ca_file",
    "ssl.certificate.location": "ssl_cert_file",
    "ssl.certificate.pem": "ssl_cert_file",
    "ssl.key.location": "ssl_key_file",
    "ssl.key.pem": "ssl_key_file",
    "ssl.key.password": "ssl_key_password_file",
    "sasl.oauthbearer.method": "sasl_mechanism",
    "sasl.oauthbearer.client.id": "oauth_client_id",
    "sasl.oauthbearer.client.credentials.client.id": "oauth_client_id",
    "sasl.oauthbearer.client.secret": "oauth_client_secret_file",
    "sasl.oauthbearer.client.credentials.client.secret": "oauth_client_secret_file",
    "sasl.oauthbearer.token.endpoint.url": "oauth_token_url",
    "sasl.oauthbearer.scope": "oauth_scope",
    "session.timeout.ms": "session_timeout",
    "max.poll.interval.ms": "max_poll_interval",
}
_NAME = re.compile(r"[a-z]+([._][a-z0-9]+)*")


def check(options: Mapping[str, object]) -> Iterator[Mistake]:
    """Every option that cannot be taken, and why."""
    for name in options:
        at = ("kafka", "client", name)
        if name in _OWN_KEYS:
            yield Mistake(at, f"has a key of its own: kafka.{_OWN_KEYS[name]}", code="ETLD-C016")
        elif name in _REFUSED:
            yield Mistake(at, f"cannot be changed: {_REFUSED[name]}", code="ETLD-C016")
        elif name.endswith("_cb") or name.startswith("on_"):
            yield Mistake(at, "is a function, and no option of a file", code="ETLD-C016")
        elif not _NAME.fullmatch(name):
            yield Mistake(at, "is no name of an option of librdkafka", code="ETLD-C016")
