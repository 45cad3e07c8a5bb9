"""Names in `.env` that are no setting, and very like one."""

from collections.abc import Collection, Iterator
from difflib import get_close_matches
from pathlib import Path

from dotenv import dotenv_values

_ALIKE = 0.85  # two letters exchanged in a name of seven


def typos(env_file: Path, names: Collection[str]) -> Iterator[str]:
    """A line for each name that is like one of `names`, which are in capitals; nothing of any value.

    Several services share the file, so a name that is like none may be another's.
    """
    try:
        given = dotenv_values(env_file, encoding="utf-8", interpolate=False)
    except (OSError, UnicodeDecodeError):
        return
    for each in given:
        name = each.upper()
        if name in names:
            continue
        for meant in get_close_matches(name, names, n=1, cutoff=_ALIKE):
            if meant not in name:  # a longer name is another's
                yield f"{env_file}: {each} is no setting; is {meant} meant?"
