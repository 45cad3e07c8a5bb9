"""How the journal proves itself: canonical forms, the hash chain, and its verification. Pure."""

from consensus_journal.canonical import Plain, canonical_json, digest, reference_json
from consensus_journal.chain import FIRST_PREVIOUS_HASH, Entry, entry_hash
from consensus_journal.verify import Fault, Finding, Head, verify_stream

__all__ = [
    "FIRST_PREVIOUS_HASH",
    "Entry",
    "Fault",
    "Finding",
    "Head",
    "Plain",
    "canonical_json",
    "digest",
    "entry_hash",
    "reference_json",
    "verify_stream",
]
