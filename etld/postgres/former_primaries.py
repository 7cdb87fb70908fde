"""Servers of a DSN with several hosts that came back as primaries after another had taken their place.

libpq takes the first host that takes writes. Those that are known to be former primaries are asked last, for as long as
this process lives.
"""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import MutableMapping


class FormerPrimaries:
    """Those that are known."""

    def __init__(self) -> None:
        self._known: set[tuple[str, str]] = set()

    def note(self, host: str, port: int) -> None:
        """The server there is one."""
        self._known.add((host, str(port)))

    def ask_last(self, parameters: MutableMapping[str, Any]) -> None:
        """Reorder the hosts of a DSN; one with `hostaddr` stays as it is, for its hosts are only names."""
        hosts = str(parameters.get("host") or "").split(",")
        if len(hosts) == 1 or "hostaddr" in parameters or not self._known:
            return
        ports = str(parameters.get("port") or "").split(",")
        pairs = [(host, port or "5432") for host, port in zip(hosts, cycle(ports), strict=False)]
        pairs.sort(key=self._known.__contains__)
        parameters["host"] = ",".join(host for host, _ in pairs)
        parameters["port"] = ",".join(port for _, port in pairs)


#: Those that this process knows.
FORMER_PRIMARIES: Final = FormerPrimaries()
