"""What is shown of a journal: all that an entry says as text, and of a verdict the first bad entry."""

from typing import Any

from consensus.v1 import audit_service_pb2
from consensus_door.page.journal_view import entry_view, verdict_view
from consensus_door.page.rendering import Rendering

EVIL = '"><script>alert(1)</script>\u202e'
ME: dict[str, Any] = {"token": "t0ken", "key": "k", "is_signed_in": False, "may_act": False}


def head(sequence: int) -> audit_service_pb2.StreamHead:
    return audit_service_pb2.StreamHead(sequence=sequence, hash=b"\xab" * 32)


def page(verdict: audit_service_pb2.AuditVerdict | None = None) -> str:
    entry = audit_service_pb2.AuditEntry(
        sequence=7,
        event_type="persona_review.recorded",
        severity=audit_service_pb2.AUDIT_SEVERITY_ERROR,
        user=EVIL,
        payload_digest=b"\xcd" * 32,
    )
    entry.data.update({"attempt_count": 2, "note": EVIL, "steps": ["expand"]})
    values = {
        "run_id": "run-1",
        "is_refused": False,
        "entries": [entry_view(entry)],
        "verdict": None if verdict is None else verdict_view(verdict, head(7)),
        "next": "",
        "me": ME,
    }
    return bytes(Rendering().page("journal.html", values).body).decode()


def test_an_entry_says_all_that_it_holds_and_nothing_of_it_is_markup() -> None:
    shown = page()
    for each in (
        "persona_review.recorded",
        "cdcdcdcdcdcd…",
        "cd" * 32,
        "error",
        "<dd>2</dd>",
        "attempt count",
    ):
        assert each in shown
    assert "<script>alert" not in shown
    assert "\u202e" not in shown
    assert "<dd>[&#34;expand&#34;]</dd>" in shown


def test_the_first_bad_entry_is_named_and_the_journal_is_not_called_whole() -> None:
    finding = audit_service_pb2.AuditFinding(
        stream="runs/run-1", sequence=4, fault=audit_service_pb2.AUDIT_FAULT_ALTERED
    )
    shown = page(audit_service_pb2.AuditVerdict(stream_count=1, entry_count=4, findings=[finding]))
    assert "entry 4: altered" in shown
    assert "NOT whole" in shown
    assert "verified up to" not in shown


def test_a_digest_is_that_of_the_last_entry_that_was_verified() -> None:
    verdict = audit_service_pb2.AuditVerdict(stream_count=1, entry_count=7)
    assert verdict_view(verdict, head(7)).head_digest == "ab" * 32
    assert verdict_view(verdict, head(6)).head_digest == ""
    assert "no checkpoint: a tail" in page(verdict)
    assert "There is no journal" in page(audit_service_pb2.AuditVerdict())
