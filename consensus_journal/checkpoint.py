"""Signed checkpoints: what the streams looked like at an instant, provable without the database.

A checkpoint names the heads that have grown since the one before, and that one's digest, so that the
newest head of every stream stands somewhere in a chain of checkpoints. Whoever can rewrite the whole
database cannot rewrite those: the key is not in it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from consensus_journal.canonical import Plain, canonical_json, digest
from consensus_journal.chain import FIRST_PREVIOUS_HASH
from consensus_journal.verify import Head


@dataclass(frozen=True, slots=True, order=True)
class StreamHead:
    """The newest entry of one stream."""

    tenant: str
    stream: str
    sequence: int
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Heads that have grown since the checkpoint before, signed with Ed25519 (RFC 8032)."""

    number: int
    create_time_us: int
    """Microseconds since 1970, UTC."""
    previous_digest: bytes
    heads: tuple[StreamHead, ...]
    public_key: bytes
    signature: bytes = b""


def take_checkpoint(
    before: Checkpoint | None, create_time_us: int, heads: Iterable[StreamHead], key: Ed25519PrivateKey
) -> Checkpoint:
    """The checkpoint that follows `before` (None: the first), signed."""
    unsigned = Checkpoint(
        number=before.number + 1 if before else 1,
        create_time_us=create_time_us,
        previous_digest=checkpoint_digest(before) if before else FIRST_PREVIOUS_HASH,
        heads=tuple(sorted(heads)),
        public_key=key.public_key().public_bytes_raw(),
    )
    return replace(unsigned, signature=key.sign(canonical_json(_signed_part(unsigned))))


def checkpoint_digest(checkpoint: Checkpoint) -> bytes:
    """SHA-256 of what is signed: the next checkpoint's `previous_digest`."""
    return digest(canonical_json(_signed_part(checkpoint)))


def plain_checkpoint(checkpoint: Checkpoint) -> dict[str, Plain]:
    """The checkpoint as a JSON object."""
    return {**_signed_part(checkpoint), "signature": checkpoint.signature.hex()}


def checkpoint_from_plain(plain: Mapping[str, Any]) -> Checkpoint:
    """The checkpoint that `plain_checkpoint` made this of.

    Raises:
        ValueError: when it is none.
    """
    try:
        return Checkpoint(
            number=plain["number"],
            create_time_us=plain["create_time_us"],
            previous_digest=bytes.fromhex(plain["previous_digest"]),
            heads=tuple(head_from_plain(head) for head in plain["heads"]),
            public_key=bytes.fromhex(plain["public_key"]),
            signature=bytes.fromhex(plain["signature"]),
        )
    except (KeyError, TypeError) as error:
        raise ValueError("not a checkpoint") from error


def plain_head(head: StreamHead) -> dict[str, Plain]:
    """The head as a JSON object."""
    return {
        "hash": head.hash.hex(),
        "sequence": head.sequence,
        "stream": head.stream,
        "tenant": head.tenant,
    }


def head_from_plain(plain: Mapping[str, Any]) -> StreamHead:
    """The head that `plain_head` made this of.

    Raises:
        ValueError: when it is none.
    """
    try:
        return StreamHead(plain["tenant"], plain["stream"], plain["sequence"], bytes.fromhex(plain["hash"]))
    except (KeyError, TypeError) as error:
        raise ValueError("not a head of a stream") from error


def first_bad_checkpoint(checkpoints: Iterable[Checkpoint], public_key: bytes | None = None) -> int | None:
    """The number of the first checkpoint whose signature or link does not hold; None when all do.

    `checkpoints` come in order, from the first. Without a `public_key` the first one's is believed, which
    proves only that one hand made them all.
    """
    before: Checkpoint | None = None
    for checkpoint in checkpoints:
        key = public_key or (before or checkpoint).public_key
        if not (_follows(checkpoint, before) and _is_signed(checkpoint, key)):
            return checkpoint.number
        before = checkpoint
    return None


def known_heads(checkpoints: Iterable[Checkpoint]) -> dict[tuple[str, str], list[Head]]:
    """All heads that the checkpoints speak of, by tenant and stream, in order."""
    known: dict[tuple[str, str], list[Head]] = {}
    for checkpoint in checkpoints:
        for head in checkpoint.heads:
            known.setdefault((head.tenant, head.stream), []).append(Head(head.sequence, head.hash))
    return known


def _signed_part(checkpoint: Checkpoint) -> dict[str, Plain]:
    return {
        "create_time_us": checkpoint.create_time_us,
        "heads": [plain_head(head) for head in checkpoint.heads],
        "number": checkpoint.number,
        "previous_digest": checkpoint.previous_digest.hex(),
        "public_key": checkpoint.public_key.hex(),
    }


def _follows(checkpoint: Checkpoint, before: Checkpoint | None) -> bool:
    if before is None:
        return checkpoint.number == 1 and checkpoint.previous_digest == FIRST_PREVIOUS_HASH
    linked = checkpoint.previous_digest == checkpoint_digest(before)
    return linked and checkpoint.number == before.number + 1


def _is_signed(checkpoint: Checkpoint, public_key: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(
            checkpoint.signature, canonical_json(_signed_part(checkpoint))
        )
    except (InvalidSignature, ValueError):
        return False
    return checkpoint.public_key == public_key
