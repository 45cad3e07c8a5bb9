"""What a revision is refused for, and what one key stands for."""

import asyncio
from typing import Any

import pytest

from consensus.v1 import proposal_pb2, review_service_pb2
from consensus_contract.errors import IdempotencyKeyReused, IllegalState, RunNotFound
from consensus_rpc.errors import InvalidField
from offline_model.script import Rule
from tests.support.pair import Client, kinds, review_request
from tests.support.revisions import (
    refusal,
    revise_request,
    revised,
    scored_run,
)

BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "no edit": ({"edit_notes": ""}, "edit_notes"),
    "blank notes": ({"edit_notes": " \n "}, "edit_notes"),
    "notes beyond their limit": ({"edit_notes": "n" * 10_001}, "edit_notes"),
    "unknown persona": ({"personas": ["jester"]}, "personas[0]"),
    "all and some": ({"personas": ["critic"], "all_personas": True}, "personas"),
    "a temperature of three decimals": (
        {"options": review_service_pb2.ReviewOptions(review_temperature=0.123)},
        "options.review_temperature",
    ),
    "an edited proposal with a blank field": (
        {"edited_proposal": proposal_pb2.Proposal(problem_statement=" ", proposed_solution="b")},
        "edited_proposal.problem_statement",
    ),
    "an edited proposal beyond its limit": (
        {
            "edited_proposal": proposal_pb2.Proposal(
                problem_statement="a", proposed_solution="b", assumptions=["a" * 4000] * 25
            )
        },
        "edited_proposal",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_what_breaks_a_rule_is_refused(client: Client, case: str) -> None:
    fields, field = BROKEN[case]
    error = await refusal(client.review.ReviseRun(revise_request("some", **fields)))
    assert isinstance(error, InvalidField)
    assert field in {violation.field for violation in error.field_violations}


async def test_notes_at_their_limit_are_taken(client: Client, idea: str, mark: str) -> None:
    parent = await scored_run(client, idea, mark)
    revision = await revised(client, parent, edit_notes=f" {'n' * 10_000} ")
    assert len(revision.specification.revision.edit_notes) == 10_000


async def test_an_unknown_parent_is_not_found(client: Client) -> None:
    assert isinstance(await refusal(client.review.ReviseRun(revise_request("none"))), RunNotFound)


async def test_a_parent_that_is_not_done_is_refused(client: Client, idea: str, mark: str) -> None:
    await client.model.script(Rule(step="expand", contains=mark, hold=mark))
    stream = client.review.StreamReview(review_request(idea))
    run_id = (await stream.read()).events[0].run_id

    error = await refusal(client.review.ReviseRun(revise_request(run_id)))

    await client.model.release(mark)
    assert isinstance(error, IllegalState)
    assert error.metadata["operation"] == "revise"
    assert kinds(await client.watch(run_id))[-1] == "run_completed"


async def test_one_key_makes_one_revision_however_many_ask(client: Client, idea: str, mark: str) -> None:
    parent = await scored_run(client, idea, mark)
    request = revise_request(parent, idempotency_key=mark)

    answers = await asyncio.gather(*(client.review.ReviseRun(request) for _ in range(10)))

    (run_id,) = {each.run.run_id for each in answers}
    assert kinds(await client.watch(run_id))[-1] == "run_completed"
    error = await refusal(
        client.review.ReviseRun(revise_request(parent, idempotency_key=mark, edit_notes="Other."))
    )
    assert isinstance(error, IdempotencyKeyReused)


async def test_a_key_is_scoped_by_the_parent(client: Client, idea: str, mark: str) -> None:
    parent = await scored_run(client, idea, mark)
    first = await revised(client, parent, idempotency_key=mark)
    second = await revised(client, first.run_id, idempotency_key=mark)
    assert second.run_id != first.run_id
