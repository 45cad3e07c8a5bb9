"""How many files and connections this process may have open at once, and what that carries."""

import resource

# Beyond it no setting asks for more, and some systems answer a higher one with an error.
_HIGHEST = 1_048_576
# What a process needs beside the calls that it makes: callers' connections, logs, its own libraries.
_MOST_KEPT_BACK = 1_024


def raise_soft_limit() -> int:
    """Raises the soft limit as far as the hard one, or a million; the limit in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _HIGHEST if hard == resource.RLIM_INFINITY else min(hard, _HIGHEST)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return _HIGHEST if soft == resource.RLIM_INFINITY else soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError):  # macOS has a lower one of its own
        return soft
    return wanted


def connections_carried(limit: int, wanted: int) -> int:
    """How many of the wanted connections a limit carries: a quarter of it is kept back, at most 1,024."""
    return max(1, min(wanted, limit - min(limit // 4, _MOST_KEPT_BACK)))
