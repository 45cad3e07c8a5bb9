"""HTML elements whose text is escaped by construction: the only way in for a run's text."""

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, TypeAlias

from consensus_report import text

if TYPE_CHECKING:
    from collections.abc import Iterable

Child: TypeAlias = "Markup | str | Iterable[Child] | None"


@dataclass(frozen=True, slots=True)
class Markup:
    """Text that is HTML already. Only this module and constants of the project make it."""

    html: str

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.html)

    def __html__(self) -> str:
        """As templates ask whether something is HTML already."""
        return self.html


def element(name: str, *children: Child, **attributes: str) -> Markup:
    """An element; strings among its children and values of its attributes are cleaned and escaped.

    A trailing underscore in an attribute's name is dropped (`class_`), other underscores become hyphens.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_escaped(value)}"' for key, value in attributes.items()
    )
    return Markup(f"<{name}{written}>{render(children)}</{name}>")


def joined(*children: Child) -> Markup:
    """Children, one after the other, without an element around them."""
    return Markup(render(children))


def render(child: Child) -> str:
    """A child, or all of an iterable of them, as HTML; None is nothing."""
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child.html
    if isinstance(child, str):
        return _escaped(child)
    return "".join(render(each) for each in child)


def _escaped(words: str) -> str:
    """Also of what no parser of HTML minds and a reader does: controls, marks of direction, fillers."""
    return escape(text.visible_lines(words), quote=True)
