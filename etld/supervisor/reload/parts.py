"""The parts of the daemon that operations change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etld.supervisor.lifecycle import Lifecycle
    from etld.supervisor.network.listeners import Listeners
    from etld.supervisor.observe.systemd import ServiceManager
    from etld.supervisor.processes.tree import ProcessTree
    from etld.supervisor.reload.active_config import ActiveConfig
    from etld.supervisor.reload.operations import Operations


@dataclass(frozen=True, slots=True)
class Parts:
    """For those that need more of them than a few."""

    active: ActiveConfig
    tree: ProcessTree
    listeners: Listeners
    operations: Operations
    lifecycle: Lifecycle
    service_manager: ServiceManager
