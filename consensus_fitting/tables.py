"""Tables of votes from files: a row for each thing that was judged, a column for each judge.

The truth is the column `is_good`, `accepted`, `truth`, `label` or `outcome`: 1 and 0, or approve, revise and
reject. A judge has a column of scores, or up to three: `<judge>:overall` (or `:score`), `<judge>:decision`
(1 to approve) and `<judge>:confidence`, which is not used. `item` (or `group`) says which rows belong
together. Columns that are not numbers, and `response`, `paper`, `human_…` and further samples of a judge
(`<judge>#2`) are left out; names of judges become ids of personas. Scores are brought to 0 to 1 by the end of
their scale: 1, 5, 10 or 100.
"""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from consensus_decision.labels import APPROVE, NAMED, REJECT, Label
from consensus_fitting.labelled_votes import Floats, LabelledVotes

_TRUTHS = ("is_good", "accepted", "truth", "label", "outcome")
_GROUPS = ("item", "group")
_IGNORED = re.compile(r"response|paper|id|index|human_.*|.*#[0-9]+", re.IGNORECASE)
_ENDS = (1.0, 5.0, 10.0, 100.0)
_SCORES, _DECISION = (":overall", ":score"), ":decision"
VOTE_AT = Decimal("0.7")
"""The score from which a judge that says nothing else approves."""
_NO_ID = re.compile(r"[^a-z0-9]+")
_OWN_VOTE = Decimal("0.5")
_MAX_ROWS = 1_000_000


class TableError(ValueError):
    """A file is no table of votes; says why, in a sentence."""


def read_table(path: Path, vote_at: Decimal = VOTE_AT) -> LabelledVotes:
    """The table of a CSV file.

    Raises:
        TableError: it cannot be read as one.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            rows = [row for row, _ in zip(reader, range(_MAX_ROWS), strict=False)]
            columns = list(reader.fieldnames or [])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TableError(f"{path.name} cannot be read: {error}") from error
    truth = next((name for name in _TRUTHS if name in columns), None)
    if truth is None or not rows:
        raise TableError(
            f"{path.name} has no rows, or no column that says what was right: {', '.join(_TRUTHS)}"
        )
    _check_widths(rows, path)
    judges = _judges(columns, rows, truth, path)
    if len(judges) < 2:
        raise TableError(f"{path.name} has fewer than two columns of judges' scores")
    scores = _scaled(_numbers(rows, [column for column, _ in judges.values()]), path)
    decisions = [column for _, column in judges.values() if column]
    has_votes = len(decisions) == len(judges)
    group = next((name for name in _GROUPS if name in columns), None)
    return LabelledVotes(
        personas=_ids(judges),
        scores=scores,
        opinions=_numbers(rows, decisions) if has_votes else scores,
        approval_cut=_OWN_VOTE if has_votes else vote_at,
        labels=np.array([_label(row[truth], path) for row in rows], dtype=np.int64),
        groups=np.unique(
            [row[group] if group else str(at) for at, row in enumerate(rows)], return_inverse=True
        )[1],
    )


def _check_widths(rows: Sequence[Mapping[Any, Any]], path: Path) -> None:
    """Refuses rows of other columns than the first line names: what stands in which is a guess."""
    for number, row in enumerate(rows, start=1):
        if None in row or None in row.values():  # as DictReader tells of too many, and of too few
            raise TableError(f"{path.name} has more or fewer columns in row {number} than in its first line")


def _judges(
    columns: Sequence[str], rows: Sequence[Mapping[str, str]], truth: str, path: Path
) -> dict[str, tuple[str, str]]:
    """Each judge with its column of scores and, where it has one, of decisions."""
    judges: dict[str, tuple[str, str]] = {}
    for column in columns:
        if column == truth or column in _GROUPS or _IGNORED.fullmatch(column):
            continue
        name, colon, _ = column.rpartition(":")
        if colon and not column.endswith(_SCORES):
            continue
        if not _is_numeric(rows, column):
            continue
        own = f"{name}{_DECISION}"
        if colon and own in columns and not _is_numeric(rows, own):
            raise TableError(f"{path.name} has more than numbers, 1 to approve, in its column {own}")
        judges[name or column] = (column, own if colon and own in columns else "")
    return judges


def _ids(names: Iterable[str]) -> tuple[str, ...]:
    """Names as ids of personas, so that a policy may name them: `gpt-5.4` is `gpt_5_4`."""
    ids: list[str] = []
    for name in names:
        plain = _NO_ID.sub("_", name.lower()).strip("_")[:50] or "judge"
        base = plain = plain if plain[0].isalpha() else f"judge_{plain}"
        number = len(ids)
        while base in ids:
            number += 1
            base = f"{plain}_{number}"
        ids.append(base)
    return tuple(ids)


def _is_numeric(rows: Sequence[Mapping[str, str]], column: str) -> bool:
    try:
        numbers = [float(row[column]) for row in rows if row[column]]
    except ValueError:
        return False
    return bool(numbers)


def _numbers(rows: Sequence[Mapping[str, str]], columns: Sequence[str]) -> Floats:
    return np.array([[float(row[column] or "nan") for column in columns] for row in rows])


def _scaled(scores: Floats, path: Path) -> Floats:
    if np.isnan(scores).all():
        raise TableError(f"{path.name} has no scores")
    most = float(np.nanmax(scores))
    end = next((each for each in _ENDS if most <= each), None)
    if end is None or np.nanmin(scores) < 0:
        raise TableError(f"{path.name} has scores outside 0 to 100")
    return np.round(scores / end, 4)


def _label(text: str, path: Path) -> Label:
    plain = text.strip().lower()
    if plain in NAMED:
        return NAMED[plain]
    if plain in {"1", "1.0", "true", "yes"}:
        return APPROVE
    if plain in {"0", "0.0", "false", "no"}:
        return REJECT
    raise TableError(f"{path.name} says {text!r} where it says what was right; 1, 0, or a label is meant")
