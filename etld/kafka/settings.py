"""Settings that every client of one cluster shares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etld.config import Config
    from etld.worker import Addresses


def client_settings(config: Config, addresses: Addresses) -> dict[str, Any]:
    """Settings of librdkafka for the cluster of `config`: addresses, security, quiet logs.

    Reads the password file at the call, so that a rotated secret counts from the next client on.
    """
    kafka = config.kafka
    settings: dict[str, Any] = {
        "bootstrap.servers": addresses.kafka,
        "security.protocol": kafka.security_protocol,
        "client.id": f"etld-{config.node_id}",
        "socket.keepalive.enable": True,
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 1000,
        "log.connection.close": False,
    }
    if kafka.sasl_mechanism:
        settings["sasl.mechanism"] = kafka.sasl_mechanism
    if kafka.sasl_username:
        settings["sasl.username"] = kafka.sasl_username
        settings["sasl.password"] = config.secret("kafka") or ""
    if kafka.ssl_ca_file:
        settings["ssl.ca.location"] = str(kafka.ssl_ca_file)
    return settings
