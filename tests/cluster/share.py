"""A share of the processor for the processes of one machine: a control group with a quota."""

from __future__ import annotations

import os
from pathlib import Path

from cluster.network import Place

_ROOT = Path("/sys/fs/cgroup")
_PERIOD = 100_000


def missing() -> str:
    """Why there can be none here, or ""."""
    if _ROOT.joinpath("cgroup.controllers").is_file():
        there = "cpu" in _ROOT.joinpath("cgroup.subtree_control").read_text().split()
    else:
        there = _ROOT.joinpath("cpu", "cpu.cfs_quota_us").is_file()
    return "" if there and os.geteuid() == 0 else "there is no control group of the processor that root may divide"


class Share:
    """So much of one core (0.25, say) for all that enters a place by it."""

    def __init__(self, place: Place, cores: float) -> None:
        self._place = place
        unified = _ROOT.joinpath("cgroup.controllers").is_file()
        self._path = (_ROOT if unified else _ROOT / "cpu") / f"etldc{os.getpid()}{place.name}"
        self._path.mkdir()
        quota = int(cores * _PERIOD)
        if unified:
            self._path.joinpath("cpu.max").write_text(f"{quota} {_PERIOD}")
        else:
            self._path.joinpath("cpu.cfs_period_us").write_text(str(_PERIOD))
            self._path.joinpath("cpu.cfs_quota_us").write_text(str(quota))

    def enter(self) -> None:
        """For a child before its program starts, in the place of `Place.enter`."""
        self._path.joinpath("cgroup.procs").write_text(str(os.getpid()))
        self._place.enter()

    def remove(self) -> None:
        """When nothing runs in it any more."""
        self._path.rmdir()
