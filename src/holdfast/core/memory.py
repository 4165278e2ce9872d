"""Memory that was used and is free again, given back to the system."""

import ctypes
import sys
from contextlib import suppress


def give_back() -> None:
    """Let go of what the C library keeps for later, after something large was read; Linux with glibc only.

    It keeps what lies between pieces that are still used. To load a graph takes several times its size for a
    moment: a server of a ResNet-50 held 405 MB of its own after that, and holds 220 after this.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)


def share_pools(count: int = 2) -> None:
    """Let the threads of this process share so many pools of the C library's; Linux with glibc only.

    It makes a pool for each thread that meets another one at work, up to eight for each core, and each of
    them keeps what it once held.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(_MOST_POOLS, count)


_MOST_POOLS = -8
"""M_ARENA_MAX of malloc.h."""
