"""Where an exception came from, without what it says: libraries put requests and answers into theirs."""

import traceback
from collections.abc import Iterator
from itertools import islice

_MOST_LINKS = 8
_MOST_FRAMES = 40


def fault_trace(error: BaseException) -> list[str]:
    """Class and frames of an exception, then those of what it came from; no text of theirs."""
    return [line for link in islice(_chain(error), _MOST_LINKS) for line in _described(link)]


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception, what it came from, and so on; of a group each one."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        link = waiting.pop(0)
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        if isinstance(link, BaseExceptionGroup):
            waiting += link.exceptions
        waiting.append(link.__cause__ or (None if link.__suppress_context__ else link.__context__))


def _described(error: BaseException) -> Iterator[str]:
    kind = type(error)
    yield f"{kind.__module__}.{kind.__qualname__}"
    frames = traceback.extract_tb(error.__traceback__)[-_MOST_FRAMES:]
    for frame in frames:
        place = "/".join(frame.filename.rsplit("/", 3)[-3:])
        yield f"  {place}:{frame.lineno} in {frame.name}"
