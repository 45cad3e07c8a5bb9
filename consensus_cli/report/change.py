"""What a revision changed about its parent, as a section of the HTML report."""

from consensus.v1 import review_service_pb2, run_pb2
from consensus_cli.report.markup import Child, Markup, element
from consensus_cli.view import text
from consensus_cli.view.diff import (
    PERSONA_HEADER,
    changed_sections,
    decision_line,
    line_style,
    persona_rows,
    reason_lines,
    unchanged_sections,
)

_LINE_CLASSES = {"green": "added", "red": "removed", "cyan": "place", "bold": "place"}


def change_section(run: run_pb2.Run, change: review_service_pb2.DiffRunsResponse) -> Markup:
    """The decision and what moved it, the edit, the personas, and the sections that differ."""
    notes = run.specification.revision.edit_notes
    return element(
        "section",
        element("h2", "What changed"),
        element("p", f"Against run {run.parent_run_id}", class_="kind"),
        element("p", element("strong", decision_line(change.decision))),
        element("ul", [element("li", line) for line in reason_lines(change)]),
        [element("h3", "Edit notes"), *[element("p", line) for line in text.clean_lines(notes) if line]]
        if notes
        else None,
        _personas(change),
        [_section(*section) for section in changed_sections(change)],
        _unchanged(change),
    )


def _personas(change: review_service_pb2.DiffRunsResponse) -> Markup:
    head = element("tr", [element("th", name, scope="col") for name in PERSONA_HEADER])
    rows = [
        element(
            "tr",
            element("th", name, scope="row"),
            [element("td", cell, class_="number") for cell in numbers],
            element("td", notes),
        )
        for name, *numbers, notes in persona_rows(change)
    ]
    return element("table", element("thead", head), element("tbody", rows))


def _section(name: str, became: str, lines: list[str]) -> Child:
    return [
        element("h3", f"{name} ({became})"),
        element("pre", [_line(line) for line in lines], class_="diff"),
    ]


def _line(line: str) -> Markup:
    return element("span", f"{line}\n", class_=f"line {_LINE_CLASSES.get(line_style(line), '')}".strip())


def _unchanged(change: review_service_pb2.DiffRunsResponse) -> Child:
    names = unchanged_sections(change)
    return element("p", f"Unchanged: {', '.join(names)}", class_="origin") if names else None
