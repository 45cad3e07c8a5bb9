"""Checkpoints find what a chain by itself cannot: a cut-off tail, and a chain computed anew."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consensus_journal import (
    FIRST_PREVIOUS_HASH,
    Checkpoint,
    Entry,
    Fault,
    StreamFinding,
    StreamHead,
    Verdict,
    checkpoint_from_plain,
    entry_from_plain,
    entry_hash,
    first_bad_checkpoint,
    plain_checkpoint,
    plain_entry,
    plain_head,
    take_checkpoint,
    verify_export,
)

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
STREAM = "runs/r1"


def chain(length: int, *, note: str = "") -> list[Entry]:
    entries: list[Entry] = []
    previous = FIRST_PREVIOUS_HASH
    for sequence in range(1, length + 1):
        entry = Entry(
            tenant="default",
            stream=STREAM,
            sequence=sequence,
            event_time_us=1_700_000_000_000_000 + sequence,
            event_type="step.started",
            caller="anonymous",
            user="",
            request_id="q",
            severity=20,
            persona_id=None,
            data={"step": f"s{sequence}", "note": note},
            record_id=None,
            payload_digest=bytes(32) if sequence % 2 else None,
            previous_hash=previous,
        )
        entries.append(entry)
        previous = entry_hash(entry)
    return entries


def head_of(entries: list[Entry]) -> StreamHead:
    return StreamHead("default", STREAM, entries[-1].sequence, entry_hash(entries[-1]))


def checkpoints_at(entries: list[Entry], *sequences: int) -> list[Checkpoint]:
    taken: list[Checkpoint] = []
    for sequence in sequences:
        before = taken[-1] if taken else None
        taken.append(take_checkpoint(before, sequence, [head_of(entries[:sequence])], KEY))
    return taken


def verdict_of(entries: list[Entry], head: StreamHead | None, checkpoints: list[Checkpoint]) -> Verdict:
    lines = [json.dumps({"head": plain_head(head)})] if head else []
    lines += [json.dumps({"entry": plain_entry(entry)}) for entry in entries]
    return verify_export(lambda: lines, checkpoints)


def finding_of(entries: list[Entry], checkpoints: list[Checkpoint]) -> list[StreamFinding]:
    return list(verdict_of(entries, head_of(entries), checkpoints).findings)


def test_a_whole_export_verifies() -> None:
    entries = chain(6)
    verdict = verdict_of(entries, head_of(entries), checkpoints_at(entries, 2, 5))
    assert verdict == Verdict(stream_count=1, entry_count=6, checkpoint_count=2, findings=())


def test_a_tail_cut_off_with_its_head_is_found_by_a_checkpoint() -> None:
    entries = chain(6)
    found = finding_of(entries[:3], checkpoints_at(entries, 2, 5))
    assert found == [StreamFinding(STREAM, 4, Fault.CUT_OFF, 5)]


def test_a_chain_computed_anew_is_found_by_a_checkpoint() -> None:
    found = finding_of(chain(6, note="forged"), checkpoints_at(chain(6), 2, 5))
    assert found == [StreamFinding(STREAM, 1, Fault.RECOMPUTED)]


def test_an_entry_taken_out_of_an_export_is_named() -> None:
    entries = chain(6)
    verdict = verdict_of([*entries[:2], *entries[3:]], head_of(entries), [])
    assert verdict.findings == (StreamFinding(STREAM, 3, Fault.MISSING),)


def test_entries_swapped_in_an_export_are_named() -> None:
    entries = chain(6)
    swapped = [*entries[:2], replace(entries[3], sequence=3), replace(entries[2], sequence=4), *entries[4:]]
    verdict = verdict_of(swapped, head_of(entries), [])
    assert verdict.findings == (StreamFinding(STREAM, 3, Fault.ALTERED),)


def test_a_stream_that_is_gone_is_found_by_a_checkpoint() -> None:
    verdict = verdict_of([], None, checkpoints_at(chain(3), 3))
    assert verdict.findings == (StreamFinding(STREAM, 1, Fault.CUT_OFF, 3),)


def test_entries_without_a_head_are_inserted() -> None:
    verdict = verdict_of(chain(2), None, [])
    assert verdict.findings == (StreamFinding(STREAM, 1, Fault.INSERTED),)


def test_an_altered_head_is_found() -> None:
    entries = chain(3)
    forged = replace(head_of(entries), hash=bytes(32))
    assert verdict_of(entries, forged, []).findings == (StreamFinding(STREAM, 3, Fault.ALTERED),)


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda each: replace(each, create_time_us=each.create_time_us + 1), id="another time"),
        pytest.param(lambda each: replace(each, heads=()), id="other heads"),
        pytest.param(lambda each: replace(each, number=7), id="another number"),
        pytest.param(lambda each: replace(each, signature=bytes(64)), id="another signature"),
        pytest.param(lambda each: replace(each, previous_digest=bytes(32)), id="another predecessor"),
    ],
)
def test_a_forged_checkpoint_is_named(forge: Callable[[Checkpoint], Checkpoint]) -> None:
    first, second, third = checkpoints_at(chain(6), 1, 2, 3)
    forged = forge(second)
    assert first_bad_checkpoint([first, forged, third]) == forged.number


def test_a_checkpoint_left_out_is_found_by_the_one_after() -> None:
    first, _, third = checkpoints_at(chain(6), 1, 2, 3)
    assert first_bad_checkpoint([first, third]) == 3


def test_checkpoints_of_another_key_are_refused() -> None:
    taken = [take_checkpoint(None, 1, [], OTHER_KEY)]
    assert first_bad_checkpoint(taken) is None
    assert first_bad_checkpoint(taken, KEY.public_key().public_bytes_raw()) == 1


def test_a_bad_checkpoint_is_a_finding() -> None:
    taken = [replace(take_checkpoint(None, 1, [], KEY), signature=bytes(64))]
    assert verdict_of(chain(1), head_of(chain(1)), taken).findings[0] == StreamFinding(
        "", 1, Fault.CHECKPOINT
    )


def test_checkpoints_and_entries_survive_json() -> None:
    taken = checkpoints_at(chain(2), 2)[0]
    assert checkpoint_from_plain(json.loads(json.dumps(plain_checkpoint(taken)))) == taken
    for entry in chain(2):
        assert entry_from_plain(json.loads(json.dumps(plain_entry(entry)))) == entry


@pytest.mark.parametrize("line", ["", "[]", "{}", '{"entry": {}}', '{"other": 1}', '{"entry": 1, "head": 2}'])
def test_a_line_that_is_none_of_an_export_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"line 1|not an entry"):
        verify_export(lambda: [line])
