"""Every limit of intake, on the wire: at it a request is taken, one beyond it names field, limit and size."""

import json
from typing import Any

import pytest

from consensus.v1 import review_service_pb2, run_pb2
from consensus_contract.errors import ConsensusError
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.errors import InvalidField, InvalidPageToken, MessageTooLarge
from tests.support.pair import Client

IDEA = "A rota for two wards."


def start(idea: str = IDEA, *, key: str = "", **fields: Any) -> review_service_pb2.StartReviewRequest:
    review = review_service_pb2.ReviewInput(idea=idea, **fields)
    return review_service_pb2.StartReviewRequest(review=review, idempotency_key=key)


def options(**fields: Any) -> dict[str, Any]:
    return {"options": review_service_pb2.ReviewOptions(**fields)}


def retry_after(seconds: float) -> dict[str, Any]:
    found = options()
    found["options"].retry_initial_backoff.FromMilliseconds(round(seconds * 1000))
    return found


def text(size: int) -> dict[str, Any]:
    return {"context": run_pb2.ExtraContext(text="x" * size)}


def json_object(size: int) -> dict[str, Any]:
    context = run_pb2.ExtraContext()
    empty = len(json.dumps({"a": ""}))
    context.object["a"] = "x" * (size - empty)
    return {"context": context}


BEYOND = {
    "no subject": (
        review_service_pb2.StartReviewRequest(review=review_service_pb2.ReviewInput()),
        "review.subject",
    ),
    "idea empty": (start(""), "review.idea"),
    "idea blank": (start(" \n\t "), "review.idea"),
    "idea too long": (start("x" * 10_001), "review.idea"),
    "idea of eleven sentences": (start("Go on. " * 11), "review.idea"),
    "idea without letters": (start("?!"), "review.idea"),
    "idea with NUL": (start("a\0b"), "review.idea"),
    "context text empty": (start(context=run_pb2.ExtraContext(text="")), "review.context.text"),
    "context text too long": (start(**text(50_001)), "review.context.text"),
    "context object too long": (start(**json_object(50_001)), "review.context.object"),
    "context without a form": (start(context=run_pb2.ExtraContext()), "review.context.form"),
    "key too long": (start(key="k" * 256), "idempotency_key"),
    "key not printable": (start(key="k\n"), "idempotency_key"),
    "key not ASCII": (start(key="clé"), "idempotency_key"),
    "user with a control character": (start(user="a\x07"), "review.user"),
    "user too long": (start(user="u" * 256), "review.user"),
    "model with a space": (start(**options(expand_model="a b")), "review.options.expand_model"),
    "model too long": (start(**options(review_model="m" * 201)), "review.options.review_model"),
    "temperature negative": (start(**options(expand_temperature=-0.01)), "review.options.expand_temperature"),
    "temperature above 2": (start(**options(review_temperature=2.01)), "review.options.review_temperature"),
    "temperature in thousandths": (
        start(**options(review_temperature=0.125)),
        "review.options.review_temperature",
    ),
    "no retries": (start(**options(max_retries_per_persona=0)), "review.options.max_retries_per_persona"),
    "11 retries": (start(**options(max_retries_per_persona=11)), "review.options.max_retries_per_persona"),
    "backoff too short": (start(**retry_after(0.099)), "review.options.retry_initial_backoff"),
    "backoff too long": (start(**retry_after(60.001)), "review.options.retry_initial_backoff"),
    "multiplier below 1": (
        start(**options(retry_backoff_multiplier=0.9)),
        "review.options.retry_backoff_multiplier",
    ),
    "multiplier above 10": (
        start(**options(retry_backoff_multiplier=10.1)),
        "review.options.retry_backoff_multiplier",
    ),
    "quorum above the panel": (
        start(**options(quorum=run_pb2.Quorum(min_personas=6))),
        "review.options.quorum.min_personas",
    ),
    "unknown persona required": (
        start(**options(quorum=run_pb2.Quorum(required_personas=["nobody"]))),
        "review.options.quorum.required_personas[0]",
    ),
    "no review": (review_service_pb2.StartReviewRequest(), "review"),
}


@pytest.mark.parametrize(("request_", "field"), BEYOND.values(), ids=BEYOND)
async def test_a_start_beyond_a_limit_is_refused_and_names_the_field(
    client: Client, request_: review_service_pb2.StartReviewRequest, field: str
) -> None:
    with pytest.raises(InvalidField) as caught, contract_errors():
        await client.review.StartReview(request_)

    assert field in [violation.field for violation in caught.value.field_violations]


SIZES = {
    "idea": (start("x" * 10_001), "10000", "10001"),
    "sentences": (start("Go on. " * 11), "10", "11"),
    "context text": (start(**text(50_001)), "50000", "50001"),
    "context object": (start(**json_object(50_001)), "50000", "50001"),
}


@pytest.mark.parametrize(("request_", "limit", "sent"), SIZES.values(), ids=SIZES)
async def test_a_refusal_names_the_limit_and_the_size_that_was_sent(
    client: Client, request_: review_service_pb2.StartReviewRequest, limit: str, sent: str
) -> None:
    with pytest.raises(InvalidField) as caught, contract_errors():
        await client.review.StartReview(request_)

    said = caught.value.field_violations[0].description.replace(",", "")
    assert limit in said
    assert sent in said


WITHIN = {
    "idea": start("x" * 10_000),
    "idea after trimming": start(" " * 5_000 + "x" * 10_000 + "\n" * 5_000),
    "ten sentences": start("Go on. " * 10),
    "version numbers end no sentence": start("Version 1.2.3.4.5.6.7.8.9.10.11.12 of e.g. a rota."),
    "context text": start(**text(50_000)),
    "context object": start(**json_object(50_000)),
    "key": start(key="~" * 255),
    "temperatures": start(**options(expand_temperature=0.0, review_temperature=2.0)),
    "retries": start(**options(max_retries_per_persona=10)),
    "shortest backoff": start(**retry_after(0.1)),
    "longest backoff": start(**retry_after(60)),
    "quorum": start(**options(quorum=run_pb2.Quorum(min_personas=1, required_personas=["critic"]))),
}


@pytest.mark.parametrize("request_", WITHIN.values(), ids=WITHIN)
async def test_a_start_at_a_limit_is_taken(
    client: Client, request_: review_service_pb2.StartReviewRequest
) -> None:
    answer = await client.review.StartReview(request_)

    assert answer.run.run_id
    await client.watch(answer.run.run_id)


@pytest.mark.parametrize("page_size", [-1, 101])
async def test_a_page_size_beyond_its_limits_is_refused(client: Client, page_size: int) -> None:
    for call in (
        client.review.ListRuns(review_service_pb2.ListRunsRequest(page_size=page_size)),
        client.review.ListAttempts(review_service_pb2.ListAttemptsRequest(run_id="r", page_size=page_size)),
    ):
        with pytest.raises(InvalidField) as caught, contract_errors():
            await call
        assert [violation.field for violation in caught.value.field_violations] == ["page_size"]


async def test_a_forged_page_token_is_refused(client: Client) -> None:
    with pytest.raises(InvalidPageToken), contract_errors():
        await client.review.ListRuns(review_service_pb2.ListRunsRequest(page_token="forged"))


async def test_an_unknown_enum_value_is_refused(client: Client) -> None:
    for request in (
        review_service_pb2.ListRunsRequest(filter=run_pb2.RunFilter(state=99)),  # type: ignore[arg-type]  # on purpose
        review_service_pb2.ListRunsRequest(filter=run_pb2.RunFilter(decision=99)),  # type: ignore[arg-type]  # on purpose
    ):
        with pytest.raises(InvalidField), contract_errors():
            await client.review.ListRuns(request)


async def test_a_message_that_is_too_large_is_refused_as_such(client: Client) -> None:
    with pytest.raises(MessageTooLarge), contract_errors():
        await client.review.StartReview(start("x" * (4 * 1024 * 1024)))


@pytest.mark.parametrize("run_id", ["", "x" * 65, "a b", "a/b"])
async def test_an_id_that_cannot_be_one_is_refused(client: Client, run_id: str) -> None:
    requests = (
        (client.review.GetRun, review_service_pb2.GetRunRequest),
        (client.review.CancelRun, review_service_pb2.CancelRunRequest),
        (client.review.ResumeRun, review_service_pb2.ResumeRunRequest),
        (client.review.ListAttempts, review_service_pb2.ListAttemptsRequest),
        (client.review.AnnotateDecision, review_service_pb2.AnnotateDecisionRequest),
    )
    for method, make in requests:
        with pytest.raises(InvalidField), contract_errors():
            await method(make(run_id=run_id))


async def test_a_note_beyond_its_limit_is_refused(client: Client) -> None:
    request = review_service_pb2.AnnotateDecisionRequest(run_id="r", decision_notes="x" * 10_001)

    with pytest.raises(InvalidField) as caught, contract_errors():
        await client.review.AnnotateDecision(request)

    assert [violation.field for violation in caught.value.field_violations] == ["decision_notes"]


async def test_an_expansion_has_the_limits_of_a_review(client: Client) -> None:
    for request, field in (
        (review_service_pb2.ExpandIdeaRequest(idea="x" * 10_001), "idea"),
        (review_service_pb2.ExpandIdeaRequest(idea="Go on. " * 11), "idea"),
        (review_service_pb2.ExpandIdeaRequest(idea=IDEA, **text(50_001)), "context.text"),
        (review_service_pb2.ExpandIdeaRequest(idea=IDEA, expand_temperature=2.5), "expand_temperature"),
    ):
        with pytest.raises(ConsensusError) as caught, contract_errors():
            await client.review.ExpandIdea(request)
        assert [violation.field for violation in caught.value.field_violations] == [field]


async def test_the_limits_in_force_are_published(client: Client) -> None:
    info = await client.review.GetServiceInfo(review_service_pb2.GetServiceInfoRequest())

    assert info.limits.max_idea_characters == 10_000
    assert info.limits.max_idea_sentences == 10
    assert info.limits.max_context_characters == 50_000
    assert info.limits.max_idempotency_key_characters == 255
    assert info.limits.max_page_size == 100
    assert info.limits.heartbeat_interval.ToSeconds() == 15
    personas = await client.review.ListPersonas(review_service_pb2.ListPersonasRequest())
    assert list(personas.personas) == list(info.personas)
    assert [persona.weight for persona in personas.personas] == [0.25, 0.25, 0.15, 0.20, 0.15]
