"""How glibc keeps memory in a process that works on megabytes again and again."""

from __future__ import annotations

import ctypes

# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def keep_large_blocks(mmap_threshold: int = 16 << 20, trim_threshold: int = 32 << 20) -> None:
    """Take blocks of up to `mmap_threshold` bytes from the heap, and return its end only beyond `trim_threshold`.

    By default the buffers of each batch are mapped and unmapped anew, and the page faults of that are a tenth
    of a processor's time. Does nothing where the C library has no mallopt.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, mmap_threshold)
        mallopt(_M_TRIM_THRESHOLD, trim_threshold)
