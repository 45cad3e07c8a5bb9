"""What a revision changed about its parent, as a section."""

from collections.abc import Iterator
from itertools import takewhile

from consensus.v1 import review_service_pb2, run_pb2
from consensus_report import text
from consensus_report.changes import (
    PERSONA_HEADER,
    changed_sections,
    decision_line,
    persona_rows,
    reason_lines,
    unchanged_sections,
)
from consensus_report.html.markup import Child, Markup, element
from consensus_report.html.parts import items, section, table
from consensus_report.words import Piece, WordDiffs

_CLASSES = {"+": "added", "-": "removed", "@": "place"}


def change_section(run: run_pb2.Run, change: review_service_pb2.DiffRunsResponse) -> Markup:
    """The decision and what moved it, the edit, the personas, and the sections that differ."""
    notes, words = run.specification.revision.edit_notes, WordDiffs()
    why = reason_lines(change)
    return section(
        "What changed",
        element("p", f"Against run {run.parent_run_id}", class_="kind"),
        element("p", element("strong", decision_line(change.decision))),
        items(why) if why else None,
        [element("h3", "Edit notes"), *[element("p", line) for line in text.clean_lines(notes) if line]]
        if notes
        else None,
        _personas(change),
        [_section(*each, words) for each in changed_sections(change)],
        _unchanged(change),
    )


def _personas(change: review_service_pb2.DiffRunsResponse) -> Markup:
    rows = [
        element(
            "tr",
            element("th", name, scope="row"),
            [element("td", cell, class_="number") for cell in numbers],
            element("td", notes),
        )
        for name, *numbers, notes in persona_rows(change)
    ]
    return table("Personas", [name or "notes" for name in PERSONA_HEADER], rows)


def _section(name: str, became: str, lines: list[str], words: WordDiffs) -> Child:
    return [
        element("h3", f"{name} ({became})"),
        element("pre", list(_diff(lines, words)), class_="diff"),
    ]


def _diff(lines: list[str], words: WordDiffs) -> Iterator[Markup]:
    """Each line; of those that replace others, one for one, the words that differ are marked."""
    rest = list(lines)
    while rest:
        removed, added = _replaced(rest)
        if not added:
            yield _line(rest[0], [(rest[0], False)])
            del rest[0]
            continue
        pairs = [words.of(old[1:], new[1:]) for old, new in zip(removed, added, strict=True)]
        yield from (_line("-", [("-", False), *old]) for old, _ in pairs)
        yield from (_line("+", [("+", False), *new]) for _, new in pairs)
        del rest[: 2 * len(added)]


def _replaced(lines: list[str]) -> tuple[list[str], list[str]]:
    """The removed lines that these begin with and as many added ones, if just as many follow; else none."""
    removed = list(takewhile(_is_removed, lines))
    added = list(takewhile(_is_added, lines[len(removed) :]))
    return (removed, added) if len(removed) == len(added) else ([], [])


def _is_removed(line: str) -> bool:
    return line.startswith("-") and not line.startswith("--- ")


def _is_added(line: str) -> bool:
    return line.startswith("+") and not line.startswith("+++ ")


def _line(kind: str, pieces: list[Piece]) -> Markup:
    is_header = kind.startswith(("--- ", "+++ "))
    name = "place" if is_header else _CLASSES.get(kind[:1], "")
    tag = "del" if kind[:1] == "-" else "ins"
    children: list[Child] = [element(tag, said) if differs else said for said, differs in pieces]
    return element("span", children, "\n", class_=f"line {name}".strip())


def _unchanged(change: review_service_pb2.DiffRunsResponse) -> Child:
    names = unchanged_sections(change)
    return element("p", f"Unchanged: {', '.join(names)}", class_="origin") if names else None
