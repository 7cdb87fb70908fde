"""Settings that every client of one cluster shares."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from etld.worker import KAFKA_USER

if TYPE_CHECKING:
    from etld.config import Config
    from etld.worker import Addresses


def client_settings(config: Config, addresses: Addresses) -> dict[str, Any]:
    """Settings of librdkafka for the cluster of `config`: addresses, security, quiet logs, and [kafka.client].

    Reads the files of secrets at the call, so that a rotated secret counts from the next client on.
    """
    kafka = config.kafka
    settings: dict[str, Any] = {
        "bootstrap.servers": addresses.kafka,
        "security.protocol": kafka.security_protocol,
        "client.id": f"etld-{config.node_id}",
        "socket.keepalive.enable": True,
        # A broker whose machine is gone says nothing, and what was asked of it is waited for so long: a minute as
        # librdkafka has it. A fetch of 2 MiB needs no more.
        "socket.timeout.ms": 8000,
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 1000,
        "log.connection.close": False,
    }
    if kafka.sasl_mechanism:
        settings["sasl.mechanism"] = kafka.sasl_mechanism
    if kafka.sasl_username:
        settings["sasl.username"] = kafka.sasl_username
        settings["sasl.password"] = config.secret("kafka") or ""
    if kafka.sasl_mechanism == "OAUTHBEARER":
        settings |= {
            "sasl.oauthbearer.method": "oidc",
            "sasl.oauthbearer.client.id": kafka.oauth_client_id,
            "sasl.oauthbearer.client.secret": config.secret("kafka_oauth") or "",
            "sasl.oauthbearer.token.endpoint.url": kafka.oauth_token_url,
        }
        if kafka.oauth_scope:
            settings["sasl.oauthbearer.scope"] = kafka.oauth_scope
    files = {
        "ssl.ca.location": kafka.ssl_ca_file,
        "ssl.certificate.location": kafka.ssl_cert_file,
        "ssl.key.location": kafka.ssl_key_file,
    }
    settings |= {option: str(path) for option, path in files.items() if path is not None}
    key_password = config.secret("kafka_key")
    if key_password is not None:
        settings["ssl.key.password"] = key_password
    if addresses.kafka_passfile is not None:
        settings |= {
            "security.protocol": "sasl_plaintext",
            "sasl.mechanism": "PLAIN",
            "sasl.username": KAFKA_USER,
            "sasl.password": config.read_secret("the embedded broker's password", Path(addresses.kafka_passfile)),
        }
    return settings | kafka.client
