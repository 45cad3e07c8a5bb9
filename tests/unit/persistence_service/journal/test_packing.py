"""Entries of the journal go into rows and come out of them as they were."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus_journal import FIRST_PREVIOUS_HASH, Entry, entry_hash
from persistence_service.journal.entries import Actor, ChainEnd, EntrySeverity, NewEntry
from persistence_service.journal.packing import pack, unpack

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
ANN, BEN = Actor("shop", "ann", "q-1"), Actor("shop", "ben", "q-2")
DIGEST = bytes(range(32))


def stream(name: str = "runs/a") -> ChainEnd:
    return ChainEnd("default", name, 0, FIRST_PREVIOUS_HASH)


def unpacked(rows: list[dict[str, Any]]) -> list[Entry]:
    """As they come back from a database, whose JSON knows neither enums nor tuples."""
    read = [{**row, "entries": orjson.loads(orjson.dumps(row["entries"]))} for row in rows]
    return [entry for row in read for entry in unpack(SimpleNamespace(**row))]  # type: ignore[arg-type]  # a row


DRAFTS = st.builds(
    NewEntry,
    st.text(min_size=1, max_size=40),
    st.dictionaries(
        st.text(max_size=5), st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5)
    ),
    st.sampled_from(EntrySeverity),
    st.none() | st.text(max_size=9),
    st.none() | st.binary(min_size=32, max_size=32),
)


@given(st.lists(st.tuples(DRAFTS, st.sampled_from([ANN, BEN]), st.none() | st.integers(1, 9))))
def test_what_is_packed_comes_out_as_it_was(changes: list[tuple[NewEntry, Actor, int | None]]) -> None:
    head = stream()
    entries = [head.chain(draft, actor, NOON, record_id) for draft, actor, record_id in changes]
    found = unpacked(pack(entries))
    assert found == entries
    assert [entry_hash(entry) for entry in found] == [entry_hash(entry) for entry in entries]


def test_a_commit_leaves_a_row_in_each_stream() -> None:
    a, b = stream("runs/a"), stream("runs/b")
    rows = pack([each.chain(NewEntry("step.started"), ANN, NOON, 1) for each in (a, b, a, b, a)])
    assert [(row["stream"], row["first_sequence"], len(row["entries"])) for row in rows] == [
        ("runs/a", 1, 3),
        ("runs/b", 1, 2),
    ]
    assert [len(row["previous_hashes"]) for row in rows] == [96, 64]


def test_another_actor_and_another_time_begin_a_row() -> None:
    head, later = stream(), NOON + timedelta(microseconds=1)
    changes = [(ANN, NOON), (BEN, NOON), (BEN, NOON), (ANN, NOON), (ANN, later)]
    rows = pack([head.chain(NewEntry("draft.updated"), actor, time, None) for actor, time in changes])
    assert [row["first_sequence"] for row in rows] == [1, 2, 4, 5]


def test_a_row_is_as_severe_as_its_worst_entry() -> None:
    head = stream()
    drafts = [
        NewEntry("a"),
        NewEntry("b", severity=EntrySeverity.ERROR),
        NewEntry("c", severity=EntrySeverity.DEBUG),
    ]
    (row,) = pack([head.chain(draft, ANN, NOON, 1) for draft in drafts])
    assert row["severity"] == EntrySeverity.ERROR


def test_what_goes_without_saying_takes_no_room() -> None:
    head = stream()
    (row,) = pack(
        [
            head.chain(NewEntry("step.started", {"step": "expand"}), ANN, NOON, 1),
            head.chain(
                NewEntry("step.failed", severity=EntrySeverity.ERROR, persona_id="critic"), ANN, NOON, 1
            ),
            head.chain(NewEntry("run.created", payload_digest=DIGEST), ANN, NOON, None),
        ]
    )
    assert row["entries"] == [
        ["step.started", 1, None, {"step": "expand"}],
        ["step.failed", 1, "critic", {}, 40],
        ["run.created", None, None, {}, 20, DIGEST.hex()],
    ]


DAMAGED: list[Any] = [
    None,
    "text",
    7,
    [],
    ["a"],
    ["a", 1, None],
    ["a", 1, None, None],
    [None, 1, None, {}],
    ["a", 1, None, {}, "INFO"],
    ["a", 1, None, {}, 20, "no digest"],
    ["a", 1, None, {}, 20, None, 1],
]


@pytest.mark.parametrize("damaged", DAMAGED, ids=str)
def test_what_cannot_be_read_is_read_as_another_entry(damaged: Any) -> None:
    entry = stream().chain(NewEntry("a"), ANN, NOON, 1)
    (row,) = pack([entry])
    (found,) = unpacked([{**row, "entries": [damaged]}])
    assert found.sequence == entry.sequence
    assert entry_hash(found) != entry_hash(entry)
