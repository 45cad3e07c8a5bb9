"""What fragments are made of: sections, lists, tables, badges."""

from collections.abc import Iterable, Sequence

from consensus_report.html.markup import Child, Markup, element


def section(name: str, *children: Child) -> Markup:
    """A section under its heading."""
    return element("section", element("h2", name), children)


def items(lines: Iterable[str]) -> Markup:
    """A list."""
    return element("ul", [element("li", line) for line in lines])


def aside(words: str) -> Markup:
    """What stands at the end of a heading's line, such as a score."""
    return element("span", words, class_="aside")


def badge(word: str) -> Markup:
    """A label, or where a run without one stands, in its colour."""
    return element("span", word, class_=f"verdict {word.lower()}")


def table(name: str, header: Sequence[str], rows: Sequence[Markup]) -> Markup:
    """A table that scrolls by itself where it is wider than the page, by keys too."""
    head = element("thead", element("tr", [element("th", each, scope="col") for each in header]))
    drawn = element("table", head, element("tbody", list(rows)))
    return element("div", drawn, class_="scroll", role="region", aria_label=name, tabindex="0")
