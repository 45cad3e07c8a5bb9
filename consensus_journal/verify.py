"""Verification of one stream: the first entry that is not what was written, and what is wrong with it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from consensus_journal.chain import FIRST_PREVIOUS_HASH, Entry, entry_hash


class Fault(Enum):
    """What is wrong with a stream."""

    MISSING = "missing"  # a sequence is not there
    INSERTED = "inserted"  # a sequence is there twice, or beyond the head
    ALTERED = "altered"  # the next entry, or the head, knows another hash of this one
    CUT_OFF = "cut_off"  # the newest entries that the head, or a checkpoint, speaks of are not there
    RECOMPUTED = "recomputed"  # the chain holds in itself, and is not the one that a checkpoint speaks of
    PAYLOAD = "payload"  # what the entry speaks of is stored otherwise, or not there
    CHECKPOINT = "checkpoint"  # a checkpoint's signature, or its link to the one before, does not hold


@dataclass(frozen=True, slots=True)
class Head:
    """The newest entry that a stream is known to have had."""

    sequence: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class ChainFinding:
    """The first fault of a stream."""

    sequence: int
    fault: Fault
    last_sequence: int = 0
    """Of what is cut off: the newest entry that the stream is known to have had."""


def verify_stream(entries: Iterable[Entry], head: Head) -> ChainFinding | None:
    """Checks a stream from its first entry against its head; None when it is whole.

    `entries` come in the order of their sequences. An entry's hash is known to its successor, or to the
    head. Where a link does not hold, the link after it tells which end was altered: if that one holds,
    the later entry is what was written, and the earlier is not.
    """
    sequence, known, broken = 0, FIRST_PREVIOUS_HASH, 0
    for entry in entries:
        if entry.sequence <= sequence or entry.sequence > head.sequence:
            return _altered(broken) or ChainFinding(entry.sequence, Fault.INSERTED)
        if entry.sequence > sequence + 1:
            return _altered(broken) or ChainFinding(sequence + 1, Fault.MISSING)
        holds = entry.previous_hash == known
        if broken:
            return _altered(broken if not holds else max(broken - 1, 1))
        sequence, known, broken = entry.sequence, entry_hash(entry), 0 if holds else entry.sequence
    if sequence < head.sequence:
        return _altered(broken) or ChainFinding(sequence + 1, Fault.CUT_OFF, head.sequence)
    if broken:
        return _altered(broken if known != head.hash else max(broken - 1, 1))
    return None if known == head.hash else ChainFinding(sequence, Fault.ALTERED)


def verify_against(entries: Iterable[Entry], head: Head, known: Sequence[Head]) -> ChainFinding | None:
    """As `verify_stream`, and against the heads that checkpoints speak of, in the order of their sequences.

    A chain that was recomputed from some entry on is blamed from the entry after the newest head that
    still holds: which of them was the first, nothing tells.
    """
    wanted = {each.sequence for each in known}
    hashes: dict[int, bytes] = {}
    newest = 0

    def noting() -> Iterator[Entry]:
        nonlocal newest
        for entry in entries:
            newest = entry.sequence
            if newest in wanted:
                hashes[newest] = entry_hash(entry)
            yield entry

    finding = verify_stream(noting(), head)
    if finding is not None:
        return finding
    sound = 0
    for each in known:
        if each.sequence > newest:
            return ChainFinding(newest + 1, Fault.CUT_OFF, known[-1].sequence)
        if hashes[each.sequence] != each.hash:
            return ChainFinding(sound + 1, Fault.RECOMPUTED)
        sound = each.sequence
    return None


def _altered(sequence: int) -> ChainFinding | None:
    return ChainFinding(sequence, Fault.ALTERED) if sequence else None
