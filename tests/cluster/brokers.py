"""Kafka as it is in companies: three brokers on three machines, TLS, SASL/SCRAM, ACLs, min.insync.replicas 2."""

from __future__ import annotations

import base64
import contextlib
import secrets
import socket
import subprocess
import uuid
from pathlib import Path
from typing import Any

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from cluster.network import Network, Place
from etld.embedded import jars, process
from etld.embedded.archive import ClassArchive
from etld.embedded.kafka import SETTINGS, KafkaServer, environment, escaped
from etld.embedded.server import Tick
from faults.brokers import Brokers
from faults.proxy import Proxy
from support import certificates
from support.certificates import Pair

ADMIN, ETLD = "admin", "etld"
_CLIENTS, _BROKERS, _CONTROLLERS = 9092, 9091, 9093
_HEAP = "-Xmx320m"
# Later lines of a properties file win. Clients log in by SCRAM over TLS; the brokers know each other by certificates of
# a CA of their own.
_SECURED = """\
node.id={node}
controller.quorum.voters={voters}
listeners=CLIENT://{address}:9092,BROKER://{address}:9091,CONTROLLER://{address}:9093
advertised.listeners=CLIENT://{address}:9092,BROKER://{address}:9091
listener.security.protocol.map=CLIENT:SASL_SSL,BROKER:SSL,CONTROLLER:SSL
inter.broker.listener.name=BROKER
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.client.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location={inner_keystore}
ssl.truststore.type=PEM
ssl.truststore.location={inner_authority}
listener.name.client.ssl.keystore.type=PEM
listener.name.client.ssl.keystore.location={keystore}
listener.name.broker.ssl.client.auth=required
listener.name.controller.ssl.client.auth=required
ssl.principal.mapping.rules=RULE:^CN=([a-z0-9]+).*$/$1/
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users={admins}
broker.rack={node}
default.replication.factor={copies}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={copies}
transaction.state.log.replication.factor={copies}
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
"""


class SecuredBroker(KafkaServer):
    """One broker in its place."""

    def __init__(self, place: Place, directory: Path, cache: Path, node: int) -> None:
        super().__init__(directory / place.name, _CLIENTS, directory / f"{place.name}.log", cache)
        self.place = place
        self.node = node
        self.keystore = directory / f"{place.name}.keystore.pem"
        self.inner_keystore = directory / f"{place.name}.inner.pem"
        self.more = ""
        self.format: tuple[str, ...] = ()

    def certify(self, pair: Pair) -> None:
        """What it shows to clients from the next start on."""
        _join(self.keystore, pair)

    def start(self, tick: Tick = lambda _said: None) -> None:
        """In its own place every port is free."""
        self.prepare(tick)
        self.child = self.launch()

    def prepare(self, tick: Tick) -> None:
        """Fetch the jars, write the settings, format the storage once, with the users of the cluster."""
        jars.fetch(self._cache, tick)
        self._data.mkdir(parents=True, exist_ok=True)
        base = SETTINGS.format(port=_CLIENTS, controller_port=_CONTROLLERS, data=escaped(self._data))
        self._settings.write_text(base + self.more)
        if not self._data.joinpath("meta.properties").is_file():
            flags = ClassArchive(self._program(), jars.directory(self._cache)).reading()
            arguments = ("format", *self.format, "-c", str(self._settings))
            process.run(self._java("kafka.tools.StorageTool", *arguments, flags=flags), env=environment())

    def launch(self) -> subprocess.Popen[bytes]:
        """Start it in its place."""
        flags = [_HEAP, *ClassArchive(self._program(), jars.directory(self._cache)).reading()]
        command = self._java("kafka.Kafka", str(self._settings), flags=flags)
        return process.spawn(command, log=self.log, cwd=self._home, env=environment(), become=self.place.enter)

    def probe(self) -> bool:
        """Does it listen?"""
        with contextlib.suppress(OSError), socket.create_connection((self.place.address, _CLIENTS), 2):
            return True
        return False


class SecuredBrokers(Brokers):
    """A cluster of `count`; every topic has a copy on each of them. etld is the user `etld`, with what `ACLS` names."""

    def __init__(self, network: Network, directory: Path, count: int) -> None:
        cache = jars.cache_dir(directory / "cache")
        places = [network.place(f"k{node}") for node in range(1, count + 1)]
        self.directory = directory
        self.secured = [SecuredBroker(place, directory, cache, node) for node, place in enumerate(places, 1)]
        self.brokers = self.secured  # what the base works with
        self.authority = directory / "kafka-ca.pem"
        self.passwords = {name: secrets.token_urlsafe(12) for name in (ADMIN, ETLD)}
        self.password_file = directory / "kafka-password"
        self.password_file.write_text(self.passwords[ETLD] + "\n")
        inner, outer = self.new_authority("inner"), self.new_authority("outer")
        self.authority.write_bytes(outer.certificate.read_bytes())
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        voters = ",".join(f"{one.node}@{one.place.address}:{_CONTROLLERS}" for one in self.secured)
        for one in self.secured:
            one.certify(self.certificate(one, outer))
            _join(one.inner_keystore, self.certificate(one, inner))
            one.format = (
                f"--cluster-id={cluster}",
                *(f"--add-scram=SCRAM-SHA-512=[name={who},password={word}]" for who, word in self.passwords.items()),
            )
            one.more = _SECURED.format(
                node=one.node,
                voters=voters,
                address=one.place.address,
                keystore=one.keystore,
                inner_keystore=one.inner_keystore,
                inner_authority=inner.certificate,
                admins=";".join(f"User:{name}" for name in (ADMIN, *(place.name for place in places))),
                copies=count,
                in_sync=min(2, count),
            )

    def new_authority(self, name: str) -> Pair:
        """A CA of its own."""
        return certificates.make(self.directory / name, name)

    def certificate(self, broker: SecuredBroker, signer: Pair) -> Pair:
        """A new certificate of a broker."""
        place, at = broker.place, self.directory / signer.certificate.stem
        return certificates.make(at, place.name, addresses=[place.address], signed_by=signer)

    @property
    def address(self) -> str:
        """For clients: all of them."""
        return ",".join(f"{one.place.address}:{_CLIENTS}" for one in self.secured)

    @property
    def proxies(self) -> list[Proxy]:
        """None: the network itself is cut."""
        return []

    def client(self, who: str = ADMIN) -> dict[str, Any]:
        """What a client of librdkafka needs."""
        return {
            "bootstrap.servers": self.address,
            "security.protocol": "sasl_ssl",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": who,
            "sasl.password": self.passwords[who],
            "ssl.ca.location": str(self.authority),
        }

    def settings(self) -> dict[str, Any]:
        """Keys of etld's configuration."""
        named = {
            "bootstrap_servers": self.address,
            "security_protocol": "sasl_ssl",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_username": ETLD,
            "sasl_password_file": str(self.password_file),
            "ssl_ca_file": str(self.authority),
        }
        return {f"kafka.{name}": value for name, value in named.items()}

    def allow(self) -> None:
        """Give etld what it needs."""
        admin = self._admin()
        for future in admin.create_acls(list(acls())).values():
            future.result(30)

    def forbid(self, topic: str) -> None:
        """Take from etld all that it may do with a topic. `allow` gives it back."""
        which = AclBindingFilter(
            ResourceType.TOPIC,
            topic,
            ResourcePatternType.LITERAL,
            f"User:{ETLD}",
            "*",
            AclOperation.ANY,
            AclPermissionType.ANY,
        )
        admin = self._admin()
        for future in admin.delete_acls([which]).values():
            assert future.result(30), f"there was nothing to take from {topic}"

    def _admin(self) -> AdminClient:
        return AdminClient({**self.client(), "log_level": 0})

    def stop(self) -> None:
        """End them: the network's end is theirs."""

    def heal(self) -> None:
        """Every broker runs."""
        self.start()

    def kill(self, node: int) -> None:
        """The machine of one goes dark."""
        one = self.secured[node - 1]
        one.place.power_off()
        assert one.child is not None
        one.child.wait(30)

    def revive(self, node: int) -> None:
        """The machine is back, and the broker starts."""
        one = self.secured[node - 1]
        one.place.plug()
        one.start()

    def restart(self, node: int) -> None:
        """Stop one as an operator does, and start it; the others take over what it led meanwhile."""
        one = self.secured[node - 1]
        KafkaServer.stop(one)
        one.start()
        one.wait_ready(90)


def _join(keystore: Path, pair: Pair) -> None:
    keystore.write_bytes(pair.key.read_bytes() + pair.certificate.read_bytes())


def acls() -> list[AclBinding]:
    """The least that etld works with."""

    def grant(kind: ResourceType, name: str, pattern: ResourcePatternType, what: AclOperation) -> AclBinding:
        return AclBinding(kind, name, pattern, f"User:{ETLD}", "*", what, AclPermissionType.ALLOW)

    topics = ("event_purchase", "event_order", "event_delivery", "dead_letter_queue", "parked_events")
    on_topics = (
        AclOperation.READ,
        AclOperation.WRITE,
        AclOperation.CREATE,
        AclOperation.DESCRIBE_CONFIGS,
        AclOperation.ALTER_CONFIGS,
    )
    return [
        *(grant(ResourceType.TOPIC, name, ResourcePatternType.LITERAL, what) for name in topics for what in on_topics),
        grant(ResourceType.GROUP, "etld-", ResourcePatternType.PREFIXED, AclOperation.READ),
    ]
