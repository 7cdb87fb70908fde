"""The configuration in force, and what `etld scale` has changed since."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from etld.supervisor.kinds import listening_indices, load_kinds, specs
from etld.supervisor.network import addresses
from etld.supervisor.reload import plan
from etld.worker import SlotSpec

if TYPE_CHECKING:
    from etld.config import Config
    from etld.supervisor.network.listeners import Listeners
    from etld.worker import Addresses


class ActiveConfig:
    """What everything that is started from now on goes by.

    `snapshot` is the configuration by dotted key (plan.snapshot), `scaled` the numbers of workers by group that were
    set by hand, `ports` those of "http", "kafka" and "postgres". `on_adopted` is called with each new configuration.
    """

    config: Config
    snapshot: Mapping[str, Any]
    ports: dict[str, int]
    addresses: Addresses

    def __init__(self, config: Config, kinds_ref: str, listeners: Listeners) -> None:
        self.kinds_ref = kinds_ref
        self.kinds = load_kinds(kinds_ref)
        self.scaled: dict[str, int] = {}
        self.on_adopted: Callable[[Config], None] = lambda _config: None
        self._listeners = listeners
        self.adopt(config, plan.snapshot(config))

    def adopt(self, config: Config, snapshot: Mapping[str, Any]) -> None:
        """Use this configuration for all that is started from now on."""
        if self.scaled:
            changed = set(plan.changed_keys(self.snapshot, snapshot))
            for group in list(self.scaled):  # a number that the file changed is newer than the verb's
                if not changed.isdisjoint(_keys_of(group)):
                    del self.scaled[group]
        self.config, self.snapshot = config, snapshot
        self.ports = addresses.choose_ports(config)
        self.ports["http"] = config.ingest.port or self._listeners.port
        self.addresses = addresses.resolve(config, self.ports)
        self.on_adopted(config)

    def specs(self, config: Config | None = None) -> list[SlotSpec]:
        """The slots that are wanted, by this configuration or another."""
        return specs(self.kinds, config or self.config, self.scaled)

    def listening(self, config: Config | None = None) -> list[int]:
        """The indices of the wanted slots that listen."""
        return listening_indices(self.kinds, self.specs(config))

    def for_worker(self, kind: str) -> Config:
        """The configuration as a worker of this kind may see it, with the number of workers that there are."""
        config = self.config if self.kinds[kind].database else without_database(self.config)
        if kind in self.scaled and self.knows_number(kind):
            table = getattr(config, kind).model_copy(update={"workers": self.scaled[kind]})
            config = config.model_copy(update={kind: table})
        return config

    def addresses_for(self, kind: str) -> Addresses:
        """The addresses that a worker of this kind may know."""
        return self.addresses if self.kinds[kind].database else dataclasses.replace(self.addresses, postgres=None)

    def knows_number(self, kind: str) -> bool:
        """Are its workers told their own table, and with it how many they are?"""
        return kind in self.kinds[kind].push(self.config, None)


def _keys_of(group: str) -> tuple[str, str]:
    """The keys of a group's number of workers."""
    return f"{group}.workers", f"event_types.{group.partition('-')[2]}.workers"


def without_password_file(config: Config) -> Config:
    """The configuration for the supervisor's log: it reads no password of the database that a child could inherit."""
    hidden = {"password_file": None, "migration_password_file": None}
    return config.model_copy(update={"postgres": config.postgres.model_copy(update=hidden)})


def without_database(config: Config) -> Config:
    """The configuration for a role that has no business with the database: it cannot tell what it is not told."""
    unknown = {"dsn": "embedded", "password_file": None, "migration_dsn": "", "direct_dsn": ""}
    postgres = config.postgres.model_copy(update={**unknown, "migration_password_file": None})
    return config.model_copy(update={"postgres": postgres})
