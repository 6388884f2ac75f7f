"""How the C library keeps the memory of threads."""

import ctypes
import functools
import platform

_ARENA_MAX = -8  # M_ARENA_MAX of glibc's malloc.h


@functools.cache
def one_arena() -> None:
    """Let all threads of this process share one arena, where glibc is the C library.

    To be called before threads begin: an arena that one has is kept. glibc gives each one of its
    own, by default, and takes little of what they free back out of them: a map that is read, passed
    and written by threads held a third more, and was no faster.
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)
