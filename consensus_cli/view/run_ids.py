"""How a run's id is written short: pure."""

import re

_OF_A_TIME = re.compile(r"([0-9a-f]{8}-[0-9a-f]{4})-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")


def short_id(run_id: str) -> str:
    """The part of an id that says when it was made, to the millisecond; the whole of one that has none."""
    found = _OF_A_TIME.fullmatch(run_id)
    return found[1] if found else run_id
