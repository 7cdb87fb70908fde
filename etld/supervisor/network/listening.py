"""Which sockets the slots that listen have, through scaling and changes of address."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from etld.supervisor.kinds import Spec, specs
from etld.supervisor.network.listeners import Listeners

if TYPE_CHECKING:
    from etld.config import Config
    from etld.supervisor.supervisor import Supervisor


def prepare(daemon: Supervisor, config: Config) -> Listeners | None:
    """New sockets when the address changes, bound before anything is touched; raises EtldError."""
    now = daemon.runtime.listeners
    port = config.ingest.port or now.port
    if (config.ingest.host, port) == (now.host, now.port):
        return None
    wanted = specs(daemon.kinds, config, daemon.scaled)
    return Listeners.bind(config.ingest.host, port, len(_indices(daemon, wanted)))


def swap(daemon: Supervisor, listeners: Listeners) -> None:
    """Use other sockets from now on; workers keep theirs until they are replaced."""
    daemon.runtime.listeners.close()
    daemon.runtime.listeners = listeners


def steer(daemon: Supervisor, wanted: Iterable[Spec]) -> None:
    """A socket for each wanted slot, and new connections only to those."""
    daemon.runtime.listeners.ensure(_indices(daemon, wanted))


def _indices(daemon: Supervisor, wanted: Iterable[Spec]) -> list[int]:
    return [spec.index for spec in wanted if daemon.kinds[spec.kind].listens]
