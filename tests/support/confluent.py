"""A real Confluent schema registry with its broker, in containers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network
from testcontainers.core.waiting_utils import wait_for_logs
from testcontainers.kafka import KafkaContainer

_VERSION = "7.9.0"


@contextmanager
def running() -> Iterator[str]:
    """The address of an empty registry."""
    with Network() as network:
        broker = KafkaContainer(f"confluentinc/cp-kafka:{_VERSION}").with_kraft().with_network(network)
        with broker.with_network_aliases("broker"):
            registry = (
                DockerContainer(f"confluentinc/cp-schema-registry:{_VERSION}")
                .with_network(network)
                .with_exposed_ports(8081)
                .with_env("SCHEMA_REGISTRY_HOST_NAME", "registry")
                .with_env("SCHEMA_REGISTRY_KAFKASTORE_BOOTSTRAP_SERVERS", "PLAINTEXT://broker:9092")
            )
            with registry:
                wait_for_logs(registry, "Server started", 90)
                yield f"http://{registry.get_container_host_ip()}:{registry.get_exposed_port(8081)}"
