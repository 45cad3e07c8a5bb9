"""A text's lines with where they begin, and the headings that are found among them."""

from collections.abc import Iterator
from dataclasses import dataclass

MAX_TITLE_CHARACTERS = 200
MAX_LEVEL = 10


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line without its end; `start` counts characters from the text's beginning."""

    start: int
    text: str

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing to see in it."""
        return not self.text or self.text.isspace()


@dataclass(frozen=True, slots=True)
class Heading:
    """Where a section begins: at its heading's first line. `level` is 1 for the outermost."""

    start: int
    level: int
    title: str


def read_lines(text: str) -> list[TextLine]:
    """The lines between line feeds; a carriage return before one belongs to it."""
    return list(_lines(text))


def _lines(text: str) -> Iterator[TextLine]:
    start = 0
    for line in text.split("\n"):
        yield TextLine(start, line.removesuffix("\r"))
        start += len(line) + 1


def heading(start: int, level: int, title: str) -> Heading:
    """A heading with its title and level within bounds."""
    return Heading(
        start,
        min(level, MAX_LEVEL),
        " ".join(title[: 2 * MAX_TITLE_CHARACTERS].split())[:MAX_TITLE_CHARACTERS],
    )
