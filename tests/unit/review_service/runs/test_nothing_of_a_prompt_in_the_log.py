"""Whatever goes wrong in a call to the model, neither key nor prompt nor answer stands in the log."""

import io
import logging
import time
from collections.abc import AsyncIterator, Iterator, Sequence

import pytest
import structlog

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import errors_pb2, run_pb2
from consensus_contract.steps import EXPAND
from consensus_rpc.telemetry.log import configure_logging
from review_service.model import client as model_client
from review_service.model import outcome as model_outcome
from review_service.model.client import ModelClient, ModelOptions
from review_service.runs.attempt_book import AttemptBook
from review_service.runs.progress import new_progress
from review_service.runs.run import ModelSteps, ReviewRun
from review_service.steps.expander import Expander
from review_service.steps.reviewer import Reviewer
from review_service.steps.runner import StepRunner
from tests.support.engine import PANEL, specification
from tests.support.raw_provider import KEY, http, message, serving

IDEA = "canary-of-an-idea"
ANSWER = "canary-of-an-answer"


class LastRecord:
    """Stands in for the persistence service: keeps how a run ended."""

    def __init__(self) -> None:
        self.failure = run_pb2.RunFailure()

    async def record(
        self, attempts: object = (), items: Sequence[persistence_service_pb2.RecordItem] = ()
    ) -> None:
        for item in items:
            self.failure.MergeFrom(item.run_failed.failure)

    async def wait_lease(self) -> None:
        pass


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that is logged, at the finest level, in lines as an operator sees them."""
    root = logging.getLogger()
    before = structlog.get_config(), root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging("probe", level="DEBUG", log_format="json", stream=stream)
    yield stream
    structlog.configure(**before[0])
    root.handlers[:] = before[1]
    root.setLevel(before[2])
    logging.captureWarnings(False)


@pytest.fixture(params=["400 No", "200 OK", "no HTTP"])
async def model(request: pytest.FixtureRequest) -> AsyncIterator[ModelClient]:
    """A client of a provider that repeats what it was sent."""
    error = f'{{"error": {{"message": "{KEY} {ANSWER}", "code": "invalid_prompt"}}}}'.encode()
    raw = ANSWER.encode() + b"\r\n\r\n" if request.param == "no HTTP" else http(error, status=request.param)
    async with serving(raw) as port:
        client = ModelClient(ModelOptions(api_key=KEY, base_url=f"http://127.0.0.1:{port}/v1"))
        yield client
        await client.aclose()


async def run(model: ModelClient) -> run_pb2.RunFailure:
    ledger = LastRecord()
    runner = StepRunner(model)
    spec = specification(max_retries=1)
    spec.idea = IDEA
    spec.retry_policy.initial_backoff.FromMilliseconds(1)
    steps = ModelSteps(Expander(runner), Reviewer(runner, PANEL))
    progress = new_progress("run-1", spec, time.monotonic() + 20)
    await ReviewRun(steps, AttemptBook(ledger, spec, started=[EXPAND]), progress).finish()
    return ledger.failure


def assert_clean(text: str) -> None:
    assert text
    assert not [canary for canary in (KEY, IDEA, ANSWER) if canary in text]


async def test_a_provider_that_repeats_what_it_was_sent_is_not_repeated(
    model: ModelClient, log: io.StringIO
) -> None:
    failure = await run(model)

    assert failure.failed_step == EXPAND
    assert_clean(log.getvalue())


async def test_a_fault_of_ours_while_an_answer_is_read_does_not_chain_it(
    model: ModelClient, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*told: object) -> None:
        raise OverflowError(f"{told} {KEY} {IDEA} {ANSWER}")

    monkeypatch.setattr(model_outcome, "retry_after_seconds", fail)
    monkeypatch.setattr(model_client, "unreachable", fail)

    failure = await run(model)

    assert failure.reason == errors_pb2.ERROR_REASON_INTERNAL
    assert "builtins.OverflowError" in log.getvalue()
    assert_clean(log.getvalue())


async def test_a_good_answer_is_in_no_line_either(log: io.StringIO) -> None:
    async with serving(message(output=[{"type": "message", "content": ANSWER}])) as port:
        client = ModelClient(ModelOptions(api_key=KEY, base_url=f"http://127.0.0.1:{port}/v1"))
        await run(client)
        await client.aclose()

    assert_clean(log.getvalue())
