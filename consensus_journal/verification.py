"""Verification of many streams against heads and signed checkpoints, in the database or in an export."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Any

from consensus_journal.chain import FIRST_PREVIOUS_HASH, Entry, entry_from_plain
from consensus_journal.checkpoint import (
    Checkpoint,
    StreamHead,
    checkpoint_from_plain,
    first_bad_checkpoint,
    head_from_plain,
    known_heads,
)
from consensus_journal.verify import ChainFinding, Fault, Head, verify_against

MAX_FINDINGS = 100
"""A verdict names the first fault of that many streams at most."""

_NOTHING = Head(0, FIRST_PREVIOUS_HASH)


@dataclass(frozen=True, slots=True, order=True)
class StreamFinding:
    """The first fault of one stream; of a checkpoint's the stream is empty and the sequence its number."""

    stream: str
    sequence: int
    fault: Fault
    last_sequence: int = 0
    """Of what is cut off: the newest entry that the stream is known to have had."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was checked, and what is wrong: nothing, when there are no findings."""

    stream_count: int
    entry_count: int
    checkpoint_count: int
    findings: tuple[StreamFinding, ...]
    payload_count: int = 0
    """Entries whose digest was compared with what is stored."""
    unchecked_payload_count: int = 0
    """Entries with a digest of what is not at hand."""
    finding_count: int = 0
    """Findings, those that were too many to be named included."""
    public_key: bytes | None = None
    """What the checkpoints had to be signed with; None: their own key was believed."""


class Verification:
    """Takes streams one after the other, and the verdict at the end. Memory is that of the checkpoints."""

    def __init__(
        self,
        checkpoints: Sequence[Checkpoint] = (),
        *,
        public_key: bytes | None = None,
        concerns: Callable[[str, str], bool] = lambda _tenant, _stream: True,
    ) -> None:
        """`concerns(tenant, stream)` says which of the checkpoints' streams are going to come."""
        self._known = {name: heads for name, heads in known_heads(checkpoints).items() if concerns(*name)}
        self._checkpoint_count = len(checkpoints)
        self._public_key = public_key
        self._findings: list[StreamFinding] = []
        self._payload_count = 0
        self._unchecked_payload_count = 0
        self.stream_count = 0
        self.entry_count = 0
        bad = first_bad_checkpoint(checkpoints, public_key)
        if bad is not None:
            self._find("", ChainFinding(bad, Fault.CHECKPOINT))

    def check(
        self,
        head: StreamHead | None,
        tenant: str,
        stream: str,
        entries: Iterable[Entry],
        stored: Mapping[int, bytes | None] | None = None,
    ) -> None:
        """Checks one stream; `head` None: no head is known of it, though it has entries.

        `stored`: by sequences, digests of what is stored of that which entries speak of, None where nothing
        is; without it nothing is compared.
        """
        known = self._known.pop((tenant, stream), [])
        end = Head(head.sequence, head.hash) if head else _NOTHING
        changed: list[int] = []
        finding = verify_against(self._compared(entries, stored, changed), end, known)
        self.stream_count += 1
        if changed and (finding is None or changed[0] < finding.sequence):
            finding = ChainFinding(changed[0], Fault.PAYLOAD)
        if finding is not None:
            self._find(stream, finding)

    def verdict(self) -> Verdict:
        """What was found; streams that a checkpoint speaks of and that never came are cut off whole."""
        for (_tenant, stream), heads in self._known.items():
            self._find(stream, ChainFinding(1, Fault.CUT_OFF, heads[-1].sequence))
        found = tuple(sorted(self._findings, key=lambda each: (each.stream, each.sequence)))
        return Verdict(
            self.stream_count,
            self.entry_count,
            self._checkpoint_count,
            found[:MAX_FINDINGS],
            self._payload_count,
            self._unchecked_payload_count,
            len(found),
            self._public_key,
        )

    def _compared(
        self, entries: Iterable[Entry], stored: Mapping[int, bytes | None] | None, changed: list[int]
    ) -> Iterator[Entry]:
        """Counts the entries on their way, and notes those that speak of something else than is stored."""
        for entry in entries:
            self.entry_count += 1
            if stored is not None:
                self._compare(entry, stored, changed)
            yield entry

    def _compare(self, entry: Entry, stored: Mapping[int, bytes | None], changed: list[int]) -> None:
        if entry.sequence in stored:
            self._payload_count += 1
            if stored[entry.sequence] != entry.payload_digest:
                changed.append(entry.sequence)
        elif entry.payload_digest is not None:
            self._unchecked_payload_count += 1

    def _find(self, stream: str, finding: ChainFinding) -> None:
        self._findings.append(StreamFinding(stream, finding.sequence, finding.fault, finding.last_sequence))


def verify_export(
    lines: Callable[[], Iterable[str]],
    checkpoints: Sequence[Checkpoint] = (),
    *,
    public_key: bytes | None = None,
) -> Verdict:
    """Checks an export, with no server and no database; `lines()` is read twice.

    Each line is a JSON object with one member: `head`, `entry` or `checkpoint`. A stream's head comes
    before its entries. `checkpoints`, where given, stand in for those of the export itself, which whoever
    altered the export could have left out.

    Raises:
        ValueError: a line is none of an export; names its number.
    """
    trusted = checkpoints or [
        checkpoint_from_plain(plain) for kind, plain in _parsed(lines()) if kind == "checkpoint"
    ]
    verification = Verification(trusted, public_key=public_key)
    parts = (_part(kind, plain) for kind, plain in _parsed(lines()) if kind != "checkpoint")
    for (tenant, stream), group in groupby(parts, key=lambda part: (part.tenant, part.stream)):
        _check_part(verification, tenant, stream, group)
    return verification.verdict()


def _check_part(
    verification: Verification, tenant: str, stream: str, parts: Iterator[StreamHead | Entry]
) -> None:
    first = next(parts)
    head = first if isinstance(first, StreamHead) else None
    rest = chain([] if head else [first], parts)
    verification.check(head, tenant, stream, map(_as_entry, rest))


def _part(kind: str, plain: Any) -> StreamHead | Entry:
    return head_from_plain(plain) if kind == "head" else entry_from_plain(plain)


def _as_entry(part: StreamHead | Entry) -> Entry:
    if isinstance(part, Entry):
        return part
    raise ValueError(f"two heads of the stream {part.stream}")


def _parsed(lines: Iterable[str]) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(lines, start=1):
        try:
            ((kind, plain),) = json.loads(line).items()
        except (ValueError, AttributeError) as error:
            raise ValueError(f"line {number} is none of an export") from error
        if kind not in {"head", "entry", "checkpoint"}:
            raise ValueError(f"line {number} is none of an export")
        yield kind, plain
