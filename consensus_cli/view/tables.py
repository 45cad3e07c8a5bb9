"""Plain tables for text output: aligned by cell width, safe in a pipe."""

from collections.abc import Sequence

from rich.cells import cell_len

from consensus_report import text


def table(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()
) -> list[str]:
    """Lines of aligned columns, two spaces apart; `right` names columns that are aligned to the right."""
    everything = [list(map(text.visible, row)) for row in (header, *rows)]
    widths = [max(cell_len(row[index]) for row in everything) for index in range(len(header))]
    return [_line(row, widths, right) for row in everything]


def pairs(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Lines of a name and a value, the values aligned; rows without a value are left out."""
    shown = [(text.visible(name), text.visible(value)) for name, value in rows if value]
    width = max((cell_len(name) for name, _ in shown), default=0)
    return [f"{_padded(name, width)}  {value}" for name, value in shown]


def _line(row: Sequence[str], widths: Sequence[int], right: frozenset[int]) -> str:
    cells = [
        _padded(cell, width, is_right=index in right)
        for index, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()


def _padded(cell: str, width: int, *, is_right: bool = False) -> str:
    space = " " * (width - cell_len(cell))
    return space + cell if is_right else cell + space
