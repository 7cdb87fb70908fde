"""How memory is kept in a process that works on megabytes again and again."""

from __future__ import annotations

import ctypes
import gc

from etld.util.memory_limit import limit_growth

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


def limit_memory(most: int) -> None:
    """Raise MemoryError where the supervisor would kill: at twice `most` bytes (0: never) more than is loaded now.

    It looks once a second only, and a record that takes memory without end takes that of others until then.
    """
    if most:
        limit_growth(2 * most)


def collect_rarely() -> None:
    """Let what is loaded now be, and look for cycles once in some batches, not many times in each.

    Every message of a batch is an object that Python's collector follows: by its default thresholds that takes
    a fifth of a processor's time, and batches make no cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)
