"""What `consensus up` and a single review do alike."""

import signal
import sys
from types import FrameType
from typing import NoReturn

from consensus_cli.local.launch_settings import LaunchSettings
from consensus_cli.local.stack import Stack

_NO_KEY = "no OPENAI_API_KEY: the offline model answers, by rules"


def tell(words: str) -> None:
    """Says what is no result."""
    sys.stderr.write(f"{words}\n")


def leave_on_signals() -> None:
    """Makes SIGTERM and SIGHUP end this process by an exception, so that what it started is stopped."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)


def start_model_and_review(
    stack: Stack, settings: LaunchSettings, wanted: str | None = None, **more: str
) -> None:
    """Starts what persistence does without: the offline model if there is no key, and the review service."""
    if settings.openai_api_key is None:
        stack.start_model()
        tell(_NO_KEY)
    stack.start_review(wanted, **more)


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
