"""What a run works on beside an idea: a document, a proposal, attachments; from the wire to its row. Pure.

`about` is what lists show: everything but the texts.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from consensus.v1 import document_pb2, run_pb2
from consensus_rpc.errors import InvalidField
from persistence_service.journal.entries import Columns
from persistence_service.runs.form.payloads import proposal_columns, proposal_message
from persistence_service.schema.scalars import enum_number, enum_text, storable

FIELD = "specification"
_FORMAT, _EXPANSION = "DOCUMENT_FORMAT_", "DOCUMENT_EXPANSION_"
MATERIAL_COLUMNS = ("about", "document", "proposal", "attachment_texts")


def material_columns(specification: run_pb2.RunSpecification) -> Columns | None:
    """The row, without its keys; None for a run over an idea without attachments.

    Raises:
        InvalidField: a document without a format or a text; an expansion of anything else; attachments of one
            name, or whose digest is not that of their text.
    """
    about: Columns = {}
    document = proposal = None
    if specification.HasField("document"):
        document = _document_text(specification.document)
        about["document"] = {
            "name": storable(specification.document.name, f"{FIELD}.document.name"),
            "format": enum_text(document_pb2.DocumentFormat, _FORMAT, specification.document.format),
        }
        about["document_expansion"] = enum_text(
            document_pb2.DocumentExpansion, _EXPANSION, specification.document_expansion
        )
        if not specification.document_expansion:
            raise InvalidField(field=f"{FIELD}.document_expansion", description="is SKIP or SUMMARISE")
    elif specification.document_expansion:
        raise InvalidField(field=f"{FIELD}.document_expansion", description="goes with a document")
    if specification.HasField("proposal"):
        about["has_proposal"] = True
        proposal = proposal_columns(specification.proposal)
    if specification.attachments:
        about["attachments"] = _attachments(specification)
    if not about:
        return None
    texts = [storable(each.text, f"{FIELD}.attachments") for each in specification.attachments]
    return {"about": about, "document": document, "proposal": proposal, "attachment_texts": texts or None}


def _document_text(document: document_pb2.Document) -> str:
    if not document.format:
        raise InvalidField(field=f"{FIELD}.document.format", description="is known once a run is accepted")
    if not document.text:
        raise InvalidField(field=f"{FIELD}.document.text", description="is not empty")
    return storable(document.text, f"{FIELD}.document.text")


def _attachments(specification: run_pb2.RunSpecification) -> list[Columns]:
    names = [each.name for each in specification.attachments]
    if len(set(names)) < len(names):
        raise InvalidField(field=f"{FIELD}.attachments", description="have names that differ")
    for each in specification.attachments:
        if hashlib.sha256(each.text.encode()).digest() != each.sha256:
            raise InvalidField(field=f"{FIELD}.attachments", description="have the digests of their texts")
    return [
        {"name": each.name, "media_type": each.media_type, "sha256": each.sha256.hex()}
        for each in specification.attachments
    ]


def needs_no_proposal(about: Mapping[str, Any] | None) -> bool:
    """Whether the panel reads the document alone, so that nothing is to be recorded before reviews."""
    return about is not None and about.get("document_expansion") == "SKIP"


def describe(message: run_pb2.RunSpecification, about: Mapping[str, Any]) -> None:
    """Puts into a specification what lists show; its idea is none."""
    if (document := about.get("document")) is not None:
        message.document.name = document["name"]
        message.document.format = enum_number(document_pb2.DocumentFormat, _FORMAT, document["format"])
        message.document_expansion = enum_number(
            document_pb2.DocumentExpansion, _EXPANSION, about["document_expansion"]
        )
    elif about.get("has_proposal"):
        message.ClearField("subject")
    message.attachments.extend(
        document_pb2.Attachment(
            name=each["name"], media_type=each["media_type"], sha256=bytes.fromhex(each["sha256"])
        )
        for each in about.get("attachments", ())
    )


def complete(message: run_pb2.RunSpecification, row: Mapping[Any, Any]) -> None:
    """Puts the texts into a specification that was described."""
    if row["document"] is not None:
        message.document.text = row["document"]
    if row["proposal"] is not None:
        message.proposal.CopyFrom(proposal_message(row["proposal"]))
    for attachment, text in zip(message.attachments, row["attachment_texts"] or (), strict=True):
        attachment.text = text
