"""How this process gives memory back."""

import ctypes

_ARENA_MAX, _MMAP_THRESHOLD = -8, -3  # glibc's malloc.h
_ARENAS = 2
_LARGE_BYTES = 262_144


def return_large_buffers() -> bool:
    """Has glibc's malloc map buffers of 256 KiB and more by themselves: freeing one returns its memory.

    By default it raises that size to what was freed last: a hundred messages of 6 MB, each refused at once,
    left 700 MiB with the process. False where there is another malloc.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _LARGE_BYTES) and mallopt(_ARENA_MAX, _ARENAS))
