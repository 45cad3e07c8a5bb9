"""Whatever is done to a stream is found, and named at the first entry at fault."""

from dataclasses import replace

import pytest

from consensus_journal import FIRST_PREVIOUS_HASH, ChainFinding, Entry, Fault, Head, entry_hash, verify_stream


def stream(length: int) -> tuple[list[Entry], Head]:
    entries: list[Entry] = []
    previous = FIRST_PREVIOUS_HASH
    for sequence in range(1, length + 1):
        entry = Entry(
            tenant="default",
            stream="runs/r1",
            sequence=sequence,
            event_time_us=1_700_000_000_000_000 + sequence,
            event_type="step.started",
            caller="anonymous",
            user="",
            request_id="q",
            severity=20,
            persona_id=None,
            data={"step": f"s{sequence}"},
            record_id=sequence,
            payload_digest=None,
            previous_hash=previous,
        )
        entries.append(entry)
        previous = entry_hash(entry)
    return entries, Head(length, previous)


def test_a_whole_stream_verifies() -> None:
    assert verify_stream(*stream(5)) is None


@pytest.mark.parametrize("sequence", [1, 2, 3, 4, 5])
def test_an_altered_entry_is_named(sequence: int) -> None:
    entries, head = stream(5)
    entries[sequence - 1] = replace(entries[sequence - 1], data={"step": "other"})
    assert verify_stream(entries, head) == ChainFinding(sequence, Fault.ALTERED)


@pytest.mark.parametrize("sequence", [2, 3, 4, 5])
def test_an_altered_link_is_named(sequence: int) -> None:
    entries, head = stream(5)
    entries[sequence - 1] = replace(entries[sequence - 1], previous_hash=b"x" * 32)
    assert verify_stream(entries, head) == ChainFinding(sequence, Fault.ALTERED)


@pytest.mark.parametrize("sequence", [1, 2, 4])
def test_a_deleted_entry_is_named(sequence: int) -> None:
    entries, head = stream(5)
    del entries[sequence - 1]
    assert verify_stream(entries, head) == ChainFinding(sequence, Fault.MISSING)


def test_a_cut_off_tail_is_found_by_the_head() -> None:
    entries, head = stream(5)
    assert verify_stream(entries[:3], head) == ChainFinding(4, Fault.CUT_OFF, head.sequence)


def test_an_added_tail_is_found_by_the_head() -> None:
    entries, _ = stream(5)
    _, head = stream(3)
    assert verify_stream(entries, head) == ChainFinding(4, Fault.INSERTED)


def test_swapped_entries_are_found_at_the_first() -> None:
    entries, head = stream(5)
    entries[1], entries[2] = replace(entries[2], sequence=2), replace(entries[1], sequence=3)
    assert verify_stream(entries, head) == ChainFinding(2, Fault.ALTERED)


def test_a_recomputed_chain_is_found_by_the_head() -> None:
    entries, head = stream(3)
    forged = replace(entries[1], data={"step": "forged"})
    entries[1] = forged
    entries[2] = replace(entries[2], previous_hash=entry_hash(forged))
    assert verify_stream(entries, head) == ChainFinding(3, Fault.ALTERED)
