"""The signals that ask a process to drain and end."""

import signal


def stop_signals() -> tuple[signal.Signals, ...]:
    """SIGTERM, SIGINT, and SIGHUP unless the process was started to outlive its terminal, as by nohup."""
    hang_up = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
    return (signal.SIGTERM, signal.SIGINT, *hang_up)


def is_impatient(number: int) -> bool:
    """Whether a second signal means at once: a terminal that closes adds its own to any other."""
    return number != signal.SIGHUP
