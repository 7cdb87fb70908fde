"""A child that ends with its parent, whatever ends the parent."""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1
# Loaded before a fork, not in the child after it.
_libc = ctypes.CDLL(None, use_errno=True)


def end_with_parent(parent: int, death_signal: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel send this process `death_signal` when its parent `parent` (a pid) ends; prctl(2).

    Run it in the child right after the fork; where the parent is gone already the process ends at once. Raises
    OSError where the kernel refuses.
    """
    if _libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it died between fork and prctl: no signal will come
        os._exit(1)
