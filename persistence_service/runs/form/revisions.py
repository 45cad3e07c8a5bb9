"""What a revision works on, between the wire and its row. Pure."""

from collections.abc import Mapping
from typing import Any

from consensus.v1 import run_pb2
from persistence_service.journal.entries import Columns
from persistence_service.runs.form.payloads import proposal_columns, proposal_message


def revision_columns(revision: run_pb2.RevisionSpecification) -> Columns:
    """The row of a revision, without its keys; the parent's id stands in the run's own row."""
    has_edited = revision.HasField("edited_proposal")
    return {
        "edit_notes": revision.edit_notes,
        "edited_proposal": proposal_columns(revision.edited_proposal) if has_edited else None,
        "parent_proposal": proposal_columns(revision.parent_proposal),
        "asked_personas": list(revision.asked_personas),
    }


def revision_message(parent_run_id: str, row: Mapping[Any, Any]) -> run_pb2.RevisionSpecification:
    """The revision that a row was made of."""
    edited = row["edited_proposal"]
    return run_pb2.RevisionSpecification(
        parent_run_id=parent_run_id,
        parent_proposal=proposal_message(row["parent_proposal"]),
        edited_proposal=None if edited is None else proposal_message(edited),
        edit_notes=row["edit_notes"],
        asked_personas=row["asked_personas"],
    )
