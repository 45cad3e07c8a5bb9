"""What is one tenant's is to another as if it never was: ids and page tokens, on every public method."""

import asyncio
import importlib
import pkgutil
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import status_pb2

import consensus.v1
from consensus_rpc.channel.channels import open_channel
from tests.support.access import bearer, keyed_pair, make_key
from tests.support.pair import REVIEW, Pair, wait_serving

IDEA = "A rota lets two wards swap shifts on one page, and it is done when a swap takes under a minute."
RISKY = "Store customers' passwords in plain text so that support can read them back to customers."
NOTES = "Say who approves a swap that leaves a ward short."
PERSONA = {
    "personaId": "one",
    "displayName": "One",
    "instructions": "Say what is missing for the wards.",
    "weight": 1,
}
PANEL = {"panelId": "mine", "personas": [PERSONA]}
BY_POLICY = {"inlinePanel": {**PANEL, "policy": "$policy"}}
EVENT = {"type": "a", "occurTime": "2026-01-01T00:00:00Z"}
LABEL = {"label": "DECISION_LABEL_APPROVE", "source": "test"}

# Each place of a request that names something of a tenant, with the rest of what is asked; `$` is the id.
NAMED: dict[str, dict[str, Any]] = {
    "AccessService/RevokeKey key_id": {"keyId": "$key"},
    "AccessService/RotateKey key_id": {"keyId": "$key"},
    "AuditService/ExportAudit stream": {"stream": "runs/$run"},
    "AuditService/ListAuditEntries filter.stream": {"filter": {"stream": "runs/$run"}},
    "AuditService/VerifyAudit stream": {"stream": "runs/$run"},
    "DecisionService/ExplainDecision run_id": {"runId": "$run"},
    "DecisionService/ExplainDecision policy": {"runId": "$theirs", "policy": "$policy"},
    "DecisionService/ListHumanReviews run_id": {"runId": "$run"},
    "DecisionService/ListOutcomes run_id": {"runId": "$run"},
    "DecisionService/ListOverrides run_id": {"runId": "$run"},
    "DecisionService/OverrideDecision override.run_id": {
        "override": {"runId": "$run", "label": "DECISION_LABEL_REJECT", "reason": "r", "user": "ann"}},
    "DecisionService/ReaggregateRuns filter.parent_run_id": {
        "filter": {"parentRunId": "$run"}, "policy": "default"},
    "DecisionService/ReaggregateRuns policy": {"policy": "$policy"},
    "DecisionService/RecordOutcome outcome.run_id": {"outcome": {"runId": "$run", **LABEL}},
    "DecisionService/ResolveEscalation resolution.run_id": {
        "resolution": {"runId": "$run", "resolution": "r", "user": "ann"}},
    "DecisionService/SubmitHumanReview human_review.run_id": {
        "humanReview": {"runId": "$run", "user": "ann", "confidenceScore": 0.5}},
    "DraftService/AcceptInvitation draft_id": {"draftId": "$draft", "user": "bob", "token": "t"},
    "DraftService/AddCollaborator draft_id": {
        "draftId": "$draft", "user": "ann", "collaborator": "bob", "role": "COLLABORATOR_ROLE_EDITOR"},
    "DraftService/AppendSegment draft_id": {"draftId": "$draft", "user": "ann", "text": "t"},
    "DraftService/CreateInvitation draft_id": {
        "draftId": "$draft", "user": "ann", "role": "COLLABORATOR_ROLE_EDITOR"},
    "DraftService/DeclineInvitation draft_id": {"draftId": "$draft", "user": "bob", "token": "t"},
    "DraftService/DeleteDraft draft_id": {"draftId": "$draft", "user": "ann"},
    "DraftService/GetDraft draft_id": {"draftId": "$draft"},
    "DraftService/ListInvitations draft_id": {"draftId": "$draft"},
    "DraftService/ListRingTurns draft_id": {"draftId": "$draft"},
    "DraftService/PassRing draft_id": {"draftId": "$draft", "user": "ann", "recipient": "bob"},
    "DraftService/RemoveCollaborator draft_id": {"draftId": "$draft", "user": "ann", "collaborator": "bob"},
    "DraftService/RevokeInvitation draft_id": {"draftId": "$draft", "user": "ann", "invitationId": "i"},
    "DraftService/RevokeInvitation invitation_id": {
        "draftId": "$their_draft", "user": "ann", "invitationId": "$invitation"},
    "DraftService/UndeleteDraft draft_id": {"draftId": "$draft", "user": "ann"},
    "DraftService/UpdateDraft draft_id": {"draftId": "$draft", "user": "ann", "title": "T"},
    "DraftService/WatchDraft draft_id": {"draftId": "$draft"},
    "EventService/GetDraftAnalytics draft_id": {"draftId": "$draft"},
    "MetricService/DeleteMetrics metric_ids": {"metricIds": ["$metric"]},
    "MetricService/GetMetric metric_id": {"metricId": "$metric"},
    "MetricService/UndeleteMetrics deletion_id": {"deletionId": "$deletion"},
    "PanelService/DeletePanel panel_id": {"panelId": "$panel"},
    "PanelService/GetPanel panel_id": {"panelId": "$panel"},
    "PanelService/LintPanel panel.policy": {"panel": {**PANEL, "policy": "$policy"}},
    "PanelService/ListPanels panel_id": {"panelId": "$panel"},
    "PanelService/PutPanel panel.policy": {"panel": {**PANEL, "policy": "$policy"}, "user": "ann"},
    "PolicyService/GetPolicy policy_id": {"policyId": "$policy"},
    "PolicyService/ListPolicies policy_id": {"policyId": "$policy"},
    "ReviewService/AnnotateDecision run_id": {"runId": "$run", "decisionNotes": "n"},
    "ReviewService/CancelRun run_id": {"runId": "$run"},
    "ReviewService/DeleteRun run_id": {"runId": "$run"},
    "ReviewService/DiffRuns run_id_a": {"runIdA": "$run", "runIdB": "$theirs"},
    "ReviewService/DiffRuns run_id_b": {"runIdA": "$theirs", "runIdB": "$run"},
    "ReviewService/ExportRuns filter.parent_run_id": {"filter": {"parentRunId": "$run"}},
    "ReviewService/GetRun run_id": {"runId": "$run"},
    "ReviewService/ListAttempts run_id": {"runId": "$run"},
    "ReviewService/ListPersonaReviews run_id": {"runId": "$run"},
    "ReviewService/ListRuns filter.parent_run_id": {"filter": {"parentRunId": "$run"}},
    "ReviewService/ResumeRun run_id": {"runId": "$run"},
    "ReviewService/ReviseRun parent_run_id": {"parentRunId": "$run", "editNotes": NOTES},
    "ReviewService/ReviseRun options.panel": {
        "parentRunId": "$theirs", "editNotes": NOTES, "options": {"panel": "$panel"}},
    "ReviewService/ReviseRun options.inline_panel.policy": {
        "parentRunId": "$theirs", "editNotes": NOTES, "options": BY_POLICY},
    "ReviewService/ReviseRun options.policy": {
        "parentRunId": "$theirs", "editNotes": NOTES, "options": {"policy": "$policy"}},
    "ReviewService/StartReview review.options.panel": {
        "review": {"idea": IDEA, "options": {"panel": "$panel"}}},
    "ReviewService/StartReview review.options.inline_panel.policy": {
        "review": {"idea": IDEA, "options": BY_POLICY}},
    "ReviewService/StartReview review.options.policy": {
        "review": {"idea": IDEA, "options": {"policy": "$policy"}}},
    "ReviewService/StreamReview review.options.panel": {
        "review": {"idea": IDEA, "options": {"panel": "$panel"}}},
    "ReviewService/StreamReview review.options.inline_panel.policy": {
        "review": {"idea": IDEA, "options": BY_POLICY}},
    "ReviewService/StreamReview review.options.policy": {
        "review": {"idea": IDEA, "options": {"policy": "$policy"}}},
    "ReviewService/SubmitDraft draft_id": {"draftId": "$draft", "user": "ann"},
    "ReviewService/SubmitDraft options.inline_panel.policy": {
        "draftId": "$their_draft", "user": "ann", "options": BY_POLICY},
    "ReviewService/SubmitDraft options.panel": {
        "draftId": "$their_draft", "user": "ann", "options": {"panel": "$panel"}},
    "ReviewService/SubmitDraft options.policy": {
        "draftId": "$their_draft", "user": "ann", "options": {"policy": "$policy"}},
    "ReviewService/UndeleteRun run_id": {"runId": "$run"},
    "ReviewService/UndeleteUserData deletion_id": {"deletionId": "$deletion"},
    "ReviewService/WatchRun run_id": {"runId": "$run"},
    "UsageService/GetUsage filter.run_id": {"filter": {"runId": "$run"}},
}  # fmt: skip

# What a caller chooses or brings along: free in every tenant.
CHOSEN = (
    "DraftService/CreateDraft draft_id",
    "MetricService/StoreMetrics metrics.metric_id",
    "PanelService/LintPanel panel.panel_id",
    "PanelService/PutPanel panel.panel_id",
    "PolicyService/LintPolicy policy.policy_id",
    "PolicyService/PutPolicy policy.policy_id",
    *(
        f"ReviewService/{method} {path}options.inline_panel.panel_id"
        for method, path in (
            ("ReviseRun", ""),
            ("SubmitDraft", ""),
            ("StartReview", "review."),
            ("StreamReview", "review."),
        )
    ),
)
IDS = {
    "deletion_id", "draft_id", "invitation_id", "key_id", "metric_id", "metric_ids", "panel", "panel_id",
    "parent_run_id", "policy", "policy_id", "run_id", "run_id_a", "run_id_b", "stream",
}  # fmt: skip

# Each list that comes in pages, with a request of which there is a second page.
PAGED: dict[str, dict[str, Any]] = {
    "AccessService/ListKeys": {},
    "AuditService/ListAuditEntries": {},
    "DecisionService/ListEscalations": {},
    "DecisionService/ListHumanReviews": {"runId": "$run"},
    "DecisionService/ListOutcomes": {},
    "DecisionService/ListOverrides": {"runId": "$run"},
    "DraftService/ListDrafts": {"user": "ann"},
    "DraftService/ListInvitations": {"draftId": "$draft"},
    "DraftService/ListRingTurns": {"draftId": "$draft"},
    "EventService/ListEvents": {},
    "MetricService/ListMetrics": {},
    "PanelService/ListPanels": {},
    "PolicyService/ListPolicies": {},
    "ReviewService/DiffRuns": {"runIdA": "$run", "runIdB": "$revised"},
    "ReviewService/ExportRuns": {},
    "ReviewService/ListAttempts": {"runId": "$run"},
    "ReviewService/ListPersonaReviews": {"runId": "$run"},
    "ReviewService/ListRuns": {},
    "UsageService/GetUsage": {"groupBy": ["USAGE_GROUPING_RUN"]},
}


def public_methods() -> Iterator[MethodDescriptor]:
    for module in pkgutil.iter_modules(consensus.v1.__path__, "consensus.v1."):
        if module.name.endswith("_service_pb2"):
            file = importlib.import_module(module.name).DESCRIPTOR
            for service in file.services_by_name.values():
                yield from service.methods


METHODS = {f"{each.containing_service.name}/{each.name}": each for each in public_methods()}


def texts(message: Descriptor, path: str = "") -> Iterator[str]:
    """The places of a message that hold texts, those of the messages within it too."""
    for field in message.fields:
        if field.type == FieldDescriptor.TYPE_STRING:
            yield f"{path}{field.name}"
        elif field.message_type and field.message_type.full_name.startswith("consensus."):
            yield from texts(field.message_type, f"{path}{field.name}.")


class Caller:
    """One tenant's administrator, who sends what it likes."""

    def __init__(self, pair: Pair, key: str) -> None:
        self._pair, self._key = pair, key

    async def say(self, name: str, fields: Mapping[str, Any]) -> tuple[str, str, str, list[Message]]:
        """Code, message and details without the request's id, and what was answered."""
        method = METHODS[name]
        request = json_format.ParseDict(dict(fields), GetMessageClass(method.input_type)())
        answer = GetMessageClass(method.output_type)
        is_review = method.containing_service.name == "ReviewService"
        address = self._pair.review_address if is_review else self._pair.persistence_address
        async with open_channel(address) as channel:
            opened: Any = channel.unary_stream(f"/{method.containing_service.full_name}/{method.name}")
            call = opened(request.SerializeToString(), metadata=bearer(self._key), timeout=20)
            answers: list[Message] = []
            with suppress(grpc.aio.AioRpcError):
                answers += [answer.FromString(raw) async for raw in call]
            trailers = dict(await call.trailing_metadata() or ())
            status = status_pb2.Status.FromString(trailers.get("grpc-status-details-bin", b""))
            code, message = await call.code(), await call.details()
        request_id = str(trailers.get("x-request-id", "-"))
        return code.name, message or "", str(status).replace(request_id, ""), answers

    async def ask(self, name: str, **fields: Any) -> Any:
        """The first answer to what must be taken."""
        code, message, _, answers = await self.say(name, fields)
        assert code == "OK", (name, code, message)
        return answers[0]


def filled(fields: Any, ids: Mapping[str, str]) -> Any:
    """The fields with the ids in their places."""
    if isinstance(fields, dict):
        return {name: filled(value, ids) for name, value in fields.items()}
    if isinstance(fields, list):
        return [filled(each, ids) for each in fields]
    if isinstance(fields, str) and "$" in fields:
        before, _, name = fields.partition("$")
        return before + ids[name]
    return fields


async def furnish(caller: Caller, mark: str) -> dict[str, str]:
    """Two or more of everything that has an id or a list of its own."""
    runs = [
        await caller.ask("ReviewService/StartReview", review={"idea": each}) for each in (IDEA, RISKY, RISKY)
    ]
    ids = {"run": runs[0].run.run_id}
    for each in runs:
        await caller.say("ReviewService/WatchRun", {"runId": each.run.run_id})
    revised = await caller.ask("ReviewService/ReviseRun", parentRunId=ids["run"], editNotes=NOTES)
    ids["revised"] = revised.run.run_id
    await caller.say("ReviewService/WatchRun", {"runId": ids["revised"]})
    for user in ("ann", "bob"):
        said = {"runId": ids["run"], "user": user}
        await caller.ask("DecisionService/SubmitHumanReview", humanReview={**said, "confidenceScore": 0.5})
        await caller.ask(
            "DecisionService/OverrideDecision",
            override={**said, "label": "DECISION_LABEL_REJECT", "reason": f"of {user}"},
        )
        await caller.ask("DecisionService/RecordOutcome", outcome={**said, **LABEL, "note": user})
    for _ in range(2):
        draft = (await caller.ask("DraftService/CreateDraft", user="ann", title="T", firstSegment=IDEA)).draft
        ids["draft"] = draft.draft_id
    of_draft = {"draftId": ids["draft"], "user": "ann"}
    editor = {"role": "COLLABORATOR_ROLE_EDITOR"}
    for _ in range(2):
        invited = await caller.ask("DraftService/CreateInvitation", **of_draft, **editor)
        ids["invitation"] = invited.invitation.invitation_id
    await caller.ask("DraftService/AddCollaborator", **of_draft, **editor, collaborator="bob")
    await caller.ask("DraftService/PassRing", **of_draft, recipient="bob")
    await caller.ask("EventService/AppendEvents", events=[EVENT, EVENT | {"type": "b"}])
    names = [f"{mark}-{number}" for number in range(3)]
    await caller.ask(
        "MetricService/StoreMetrics", metrics=[{"metricId": each, "type": "t"} for each in names]
    )
    deleted = await caller.ask("MetricService/DeleteMetrics", metricIds=[names[0]])
    ids |= {
        "metric": names[1],
        "deletion": deleted.deletion_id,
        "panel": f"{mark}-panel",
        "policy": f"{mark}-policy",
    }
    for number in range(2):
        name = f"-{number}" if number else ""
        await caller.ask("PanelService/PutPanel", panel={**PANEL, "panelId": ids["panel"] + name}, user="ann")
        policy = {"policyId": ids["policy"] + name, "content": "{}"}
        await caller.ask("PolicyService/PutPolicy", policy=policy, user="ann")
        ids["key"] = (await caller.ask("AccessService/CreateKey", subject="x", roles=["viewer"])).key.key_id
    return ids


@dataclass(frozen=True, slots=True)
class Tenants:
    """Two tenants, each with its administrator and the ids of what it has."""

    ours: Caller
    ids: dict[str, str]
    stranger: Caller
    own: dict[str, str]


def furnished(pair: Pair, admin: str, other: str) -> Tenants:
    ours, stranger = Caller(pair, admin), Caller(pair, other)
    mine, own = (asyncio.run(furnish(*each)) for each in ((ours, "ours"), (stranger, "their")))
    return Tenants(ours, mine, stranger, own)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def tenants(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    """On SQLite with the pair that this folder's tests share, on PostgreSQL with one of its own."""
    if request.param == "sqlite":
        keyed, keys = request.getfixturevalue("keyed"), request.getfixturevalue("keys")
        yield furnished(keyed, keys["admin"], keys["other"])
        return
    server = request.getfixturevalue("postgres_server")
    with server.database() as url:
        pair = keyed_pair(tmp_path_factory.mktemp("isolated"), url)
        of_admin = ("--role", "admin", "--subject")
        admin = make_key(url, *of_admin, "admin")
        other = make_key(url, *of_admin, "other", "--tenant", "other")
        try:
            pair.start()
            wait_serving(pair.review_address, REVIEW)
            yield furnished(pair, admin, other)
        finally:
            pair.stop()


async def test_what_is_another_tenants_is_answered_as_what_never_was(
    tenants: Tenants, subtests: pytest.Subtests
) -> None:
    stranger, ids = tenants.stranger, tenants.ids
    own = {"theirs": tenants.own["run"], "their_draft": tenants.own["draft"]}
    never = {name: value.replace("ours", "none") for name, value in ids.items()}
    never |= {name: "0" * len(value) for name, value in ids.items() if never[name] == value}
    for place, fields in NAMED.items():
        with subtests.test(place):
            name = place.partition(" ")[0]
            foreign = await stranger.say(name, filled(fields, ids | own))
            unknown = await stranger.say(name, filled(fields, never | own))
            assert foreign[0] != "INVALID_ARGUMENT"
            assert without(foreign, ids) == without(unknown, never)


def without(answer: tuple[str, str, str, list[Message]], ids: Mapping[str, str]) -> str:
    """All that was answered, but for the ids that were sent, digests of what names them, and times."""
    said = re.sub(r"[0-9a-f]{64}|(seconds|nanos): \d+", "", str(answer))
    for value in sorted(ids.values(), key=len, reverse=True):
        said = said.replace(value, "")
    return said


async def test_a_page_token_of_another_tenant_is_as_a_forged_one(
    tenants: Tenants, subtests: pytest.Subtests
) -> None:
    for name, fields in PAGED.items():
        with subtests.test(name):
            page = {} if name.endswith("ExportRuns") else {"pageSize": 1}
            first = await tenants.ours.ask(name, **filled(fields, tenants.ids), **page)
            token = first.page_token if name.endswith("ExportRuns") else first.next_page_token
            assert token
            asked = filled(fields, tenants.own) | page
            foreign = await tenants.stranger.say(name, asked | {"pageToken": token})
            forged = await tenants.stranger.say(name, asked | {"pageToken": "x" * len(token)})
            assert foreign[0] == "INVALID_ARGUMENT"
            assert foreign == forged


def test_every_place_that_names_something_has_its_row() -> None:
    there = {
        f"{name} {place}"
        for name, method in METHODS.items()
        for place in texts(method.input_type)
        if place.rpartition(".")[2] in IDS
    }
    assert there == NAMED.keys() | set(CHOSEN)


def test_every_list_in_pages_has_its_row() -> None:
    paged = {name for name, method in METHODS.items() if "page_token" in method.input_type.fields_by_name}
    assert paged == PAGED.keys()
