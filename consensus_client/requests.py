"""Requests from plain arguments, and what is made of pages: pure, for both kinds of client."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeAlias

from google.protobuf import duration_pb2, struct_pb2, timestamp_pb2
from uuid_utils.compat import uuid7

from consensus.v1 import (
    decision_pb2,
    document_pb2,
    panel_service_pb2,
    proposal_pb2,
    review_service_pb2,
    run_pb2,
)

Context: TypeAlias = str | Mapping[str, Any]
"""What a caller adds to an idea: prose, or an object of JSON values."""

Subject: TypeAlias = str | document_pb2.Document | proposal_pb2.Proposal
"""What is reviewed: an idea as text, a document, or a proposal that need not be expanded."""


@dataclass(frozen=True, slots=True)
class ReviewOptions:
    """What one review does otherwise than the service's settings say; None leaves the setting.

    Temperatures are 0 to 2 in hundredths. `max_retries` are calls after a step's first, 1 to 10.
    With `omit_temperature` none is sent at all, for models that take none.
    `panel` is `<id>` or `<id>@<revision>` of a stored panel, or a whole one for this review alone;
    `policy` is one of a stored policy.
    `min_personas` relaxes the quorum; the personas that hold a veto are always among `required_personas`.
    """

    expand_model: str = ""
    review_model: str = ""
    expand_temperature: float | None = None
    review_temperature: float | None = None
    omit_temperature: bool = False
    max_retries: int | None = None
    retry_initial_backoff: timedelta | None = None
    retry_backoff_multiplier: float | None = None
    min_personas: int | None = None
    required_personas: Sequence[str] = ()
    panel: "str | panel_service_pb2.Panel" = ""
    policy: str = ""

    def message(self) -> review_service_pb2.ReviewOptions:
        """As the contract has it."""
        message = review_service_pb2.ReviewOptions(
            expand_model=self.expand_model,
            review_model=self.review_model,
            expand_temperature=self.expand_temperature,
            review_temperature=self.review_temperature,
            omit_expand_temperature=self.omit_temperature,
            omit_review_temperature=self.omit_temperature,
            max_retries_per_persona=self.max_retries,
            retry_initial_backoff=duration(self.retry_initial_backoff),
            retry_backoff_multiplier=self.retry_backoff_multiplier,
            quorum=self._quorum(),
            policy=self.policy,
        )
        if not isinstance(self.panel, str):
            message.inline_panel.CopyFrom(self.panel)
        elif self.panel:
            message.panel = self.panel
        return message

    def _quorum(self) -> run_pb2.Quorum | None:
        if self.min_personas is None and not self.required_personas:
            return None
        return run_pb2.Quorum(
            min_personas=self.min_personas or 0, required_personas=list(self.required_personas)
        )


@dataclass(frozen=True, slots=True)
class RunQuery:
    """Which runs to list: all that is set must hold. Instants know their time zone and are inclusive."""

    state: run_pb2.RunState.ValueType = run_pb2.RUN_STATE_UNSPECIFIED
    type: run_pb2.RunType.ValueType = run_pb2.RUN_TYPE_UNSPECIFIED
    parent_run_id: str = ""
    decision: decision_pb2.DecisionLabel.ValueType = decision_pb2.DECISION_LABEL_UNSPECIFIED
    min_confidence: float | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    user: str = ""

    def message(self) -> run_pb2.RunFilter:
        """As the contract has it."""
        return run_pb2.RunFilter(
            state=self.state,
            type=self.type,
            parent_run_id=self.parent_run_id,
            decision=self.decision,
            min_confidence=self.min_confidence,
            create_time_from=_timestamp(self.created_from),
            create_time_to=_timestamp(self.created_to),
            user=self.user,
        )


class ListPage(Protocol):
    @property
    def next_page_token(self) -> str:
        """Where the next begins; empty on the last."""


def review_input(
    subject: Subject,
    context: Context | None,
    user: str,
    options: ReviewOptions | None,
    attachments: Sequence[document_pb2.Attachment] = (),
    summarise: bool = False,
) -> review_service_pb2.ReviewInput:
    """What to review and how, as the contract has it."""
    given = review_service_pb2.ReviewInput(
        context=extra_context(context),
        user=user,
        options=None if options is None else options.message(),
        attachments=attachments,
    )
    if isinstance(subject, document_pb2.Document):
        given.document.CopyFrom(subject)
    elif isinstance(subject, proposal_pb2.Proposal):
        given.proposal.CopyFrom(subject)
    else:
        given.idea = subject
    if summarise:
        given.document_expansion = document_pb2.DOCUMENT_EXPANSION_SUMMARISE
    return given


def document(
    text: str,
    name: str = "",
    format_: document_pb2.DocumentFormat.ValueType = document_pb2.DOCUMENT_FORMAT_UNSPECIFIED,
) -> document_pb2.Document:
    """A document of up to 200,000 characters; its format is told from text and name where it is not said."""
    return document_pb2.Document(text=text, name=name, format=format_)


def attachment(name: str, text: str, media_type: str = "") -> document_pb2.Attachment:
    """A text that the panel is shown as evidence, with its digest."""
    digest = hashlib.sha256(text.encode()).digest()
    return document_pb2.Attachment(name=name, media_type=media_type, text=text, sha256=digest)


def revise_request(
    parent_run_id: str,
    edit_notes: str,
    edited_proposal: proposal_pb2.Proposal | None,
    options: ReviewOptions | None,
    edited_document: document_pb2.Document | None = None,
    attachments: Sequence[document_pb2.Attachment] = (),
) -> review_service_pb2.ReviseRunRequest:
    """What to revise and how, as the contract has it."""
    return review_service_pb2.ReviseRunRequest(
        parent_run_id=parent_run_id,
        edit_notes=edit_notes,
        edited_proposal=edited_proposal,
        edited_document=edited_document,
        attachments=attachments,
        options=None if options is None else options.message(),
    )


def merge_pages(pages: Sequence[review_service_pb2.DiffRunsResponse]) -> review_service_pb2.DiffRunsResponse:
    """One comparison from its pages: all lines of all sections."""
    whole = review_service_pb2.DiffRunsResponse()
    whole.CopyFrom(pages[0])
    whole.next_page_token = ""
    for page in pages[1:]:
        for section, more in zip(whole.sections, page.sections, strict=True):
            section.unified_diff_lines.extend(more.unified_diff_lines)
    return whole


def submit_request(
    draft_id: str, user: str, context: Context | None, options: ReviewOptions | None
) -> review_service_pb2.SubmitDraftRequest:
    """The request that starts a run from a draft, without its key."""
    return review_service_pb2.SubmitDraftRequest(
        draft_id=draft_id,
        user=user,
        context=extra_context(context),
        options=None if options is None else options.message(),
    )


def extra_context(context: Context | None) -> run_pb2.ExtraContext | None:
    """Text or an object, as the contract has it; None when there is nothing."""
    if context is None:
        return None
    if isinstance(context, str):
        return run_pb2.ExtraContext(text=context)
    held = struct_pb2.Struct()
    held.update(dict(context))
    return run_pb2.ExtraContext(object=held)


def new_key(given: str | None) -> str:
    """The caller's idempotency key, or a fresh one, so that sending again is safe."""
    return given or str(uuid7())


def duration(span: timedelta | None) -> duration_pb2.Duration | None:
    """A span, as the contract has it; None stays unset."""
    if span is None:
        return None
    message = duration_pb2.Duration()
    message.FromTimedelta(span)
    return message


def _timestamp(instant: datetime | None) -> timestamp_pb2.Timestamp | None:
    if instant is None:
        return None
    if instant.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    message = timestamp_pb2.Timestamp()
    message.FromDatetime(instant)
    return message
