"""Keeps freed main memory with the process: a step allocates and frees the same buffers again and again."""

import ctypes

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_KEPT_BYTES = 256 << 20
_LARGEST_KEPT_BYTES = 32 << 20  # what glibc allows


def keep_freed_memory() -> None:
    """Have glibc reuse freed buffers of up to 32 MB instead of returning them to the system; elsewhere do nothing."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    for option, value in (
        (_MMAP_THRESHOLD, _LARGEST_KEPT_BYTES),
        (_TRIM_THRESHOLD, _KEPT_BYTES),
        (_TOP_PAD, _KEPT_BYTES // 4),
    ):
        mallopt(option, value)
