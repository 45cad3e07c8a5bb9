"""The pipeline of one run: what it does, what it leaves out, and what it records first."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import attempt_pb2, document_pb2, errors_pb2, panel_pb2, proposal_pb2, run_pb2
from consensus_contract.spans import duration
from consensus_contract.steps import EXPAND, review_step, step_names
from consensus_decision.policies import POLICY_VERSION
from consensus_decision.quorum import check_quorum
from offline_model.control_client import ControlClient
from offline_model.script import Rule
from review_service.model.client import ModelClient
from review_service.personas.panel import load_panel
from review_service.record.ledger import Attached, Begun
from review_service.runs.record_items import review_ready
from review_service.runs.run import ModelSteps, ReviewRun, new_run
from review_service.steps.expander import Expander
from review_service.steps.reviewer import Reviewer
from review_service.steps.runner import StepRunner

PANEL = load_panel()
STEPS = step_names(PANEL.ids)
UNKNOWN = attempt_pb2.ATTEMPT_STATE_UNKNOWN


class MemoryLedger:
    """Stands in for the persistence service at the border of the process: keeps what is recorded."""

    def __init__(self) -> None:
        self.attempts: list[attempt_pb2.Attempt] = []
        self.items: list[persistence_service_pb2.RecordItem] = []
        self.commits: list[list[str]] = []
        self.durable = asyncio.Event()
        self.durable.set()
        self._grown = asyncio.Event()

    def record(
        self,
        attempts: Sequence[attempt_pb2.Attempt] = (),
        items: Sequence[persistence_service_pb2.RecordItem] = (),
    ) -> "asyncio.Task[None]":
        self.attempts += attempts
        self.items += items
        self._grown.set()
        self.commits.append([str(item.WhichOneof("item")) for item in items])
        return asyncio.create_task(self._written())

    async def _written(self) -> None:
        await self.durable.wait()

    async def wait_lease(self) -> None:
        pass

    def kinds(self) -> list[str]:
        return [str(item.WhichOneof("item")) for item in self.items]

    def numbers(self, step: str) -> list[tuple[int, str]]:
        states = attempt_pb2.AttemptState
        return [
            (each.attempt_number, states.Name(each.state).removeprefix("ATTEMPT_STATE_"))
            for each in self.attempts
            if each.step == step
        ]

    async def has(self, step: str, number: int, state: str) -> None:
        while (number, state) not in self.numbers(step):
            self._grown.clear()
            await self._grown.wait()

    def failure(self) -> run_pb2.RunFailure:
        assert self.kinds()[-1] == "run_failed"
        return self.items[-1].run_failed.failure


@pytest.fixture
async def steps(model: ModelClient) -> ModelSteps:
    runner = StepRunner(model)
    return ModelSteps(Expander(runner), Reviewer(runner, PANEL))


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


class Runs:
    """Begins runs and goes on with runs, each in a task, against one ledger."""

    def __init__(self, steps: ModelSteps, ledger: MemoryLedger) -> None:
        self.first_items: list[str] = []
        self._steps = steps
        self._ledger: Any = ledger  # the part of a run's ledger that is used

    def begin(
        self,
        min_personas: int = 0,
        seconds: float = 20.0,
        subject: run_pb2.RunSpecification | None = None,
    ) -> asyncio.Task[None]:
        whole = specification(min_personas=min_personas)
        if subject is not None:
            whole.MergeFrom(subject)
        run = new_run(persistence_service_pb2.CallScope(), "r-1", whole, None)
        self.first_items = [str(item.WhichOneof("item")) for item in run.first_items]
        begun = Begun(self._ledger, time.monotonic() + seconds)
        return asyncio.create_task(ReviewRun.begun(self._steps, run, begun).finish())

    def go_on(
        self, recorded: persistence_service_pb2.RunAttached, seconds: float = 20.0
    ) -> asyncio.Task[None]:
        attached = Attached(self._ledger, time.monotonic() + seconds, recorded)
        return asyncio.create_task(ReviewRun.attached(self._steps, attached).finish())


@pytest.fixture
def runs(steps: ModelSteps, ledger: MemoryLedger) -> Runs:
    return Runs(steps, ledger)


def specification(min_personas: int = 0) -> run_pb2.RunSpecification:
    return run_pb2.RunSpecification(
        idea="A rota for two wards, done when handovers take five minutes.",
        expand_model="m",
        review_model="m",
        retry_policy=run_pb2.RetryPolicy(
            max_retries=1,
            initial_backoff=duration(0.1),
            backoff_multiplier=1,
            attempt_timeout=duration(5),
            max_output_tokens=8000,
        ),
        personas=PANEL.personas,
        quorum=check_quorum(run_pb2.Quorum(min_personas=min_personas), PANEL.personas)[0],
        policy_version=POLICY_VERSION,
    )


def attached(**fields: object) -> persistence_service_pb2.RunAttached:
    """A run as it is handed to a worker that goes on with it; `steps` names those that are not PENDING."""
    states: dict[str, int] = fields.pop("steps", {})  # type: ignore[assignment]  # a keyword of this function
    attempts = fields.pop("attempts", [])
    since = fields.pop("budget_start_time", None)
    subject: Any = fields.pop("subject", run_pb2.RunSpecification())
    whole = specification()
    whole.MergeFrom(subject)
    run = run_pb2.Run(
        run_id="r-1",
        state=run_pb2.RUN_STATE_RUNNING,
        specification=whole,
        steps=[run_pb2.Step(name=step, state=states.get(step, 1)) for step in STEPS],  # type: ignore[arg-type]  # numbers
        **fields,  # type: ignore[arg-type]  # fields of Run
    )
    return persistence_service_pb2.RunAttached(run=run, attempts=attempts, budget_start_time=since)  # type: ignore[arg-type]


def tried(
    step: str, number: int, state: attempt_pb2.AttemptState.ValueType, at: int = 10
) -> attempt_pb2.Attempt:
    return attempt_pb2.Attempt(
        step=step, attempt_number=number, state=state, start_time=Timestamp(seconds=at), max_output_tokens=100
    )


def proposal() -> proposal_pb2.Proposal:
    return proposal_pb2.Proposal(problem_statement="Handovers are slow.", proposed_solution="One page.")


def review(persona_id: str) -> panel_pb2.PersonaReview:
    return panel_pb2.PersonaReview(
        persona_id=persona_id, persona_name=persona_id, confidence_score=0.9, estimated_effort="A week."
    )


async def test_a_new_run_takes_three_commits_after_the_one_that_created_it(
    runs: Runs, ledger: MemoryLedger
) -> None:
    await runs.begin()

    assert ledger.commits[0] == ["proposal_ready", "step_completed", *["step_started"] * 5]
    assert ledger.commits[1:6] == [["persona_review_ready", "step_completed"]] * 5
    assert ledger.commits[6:] == [["step_started", "decision_ready", "step_completed", "run_completed"]]


async def test_all_personas_are_asked_at_once(
    runs: Runs, ledger: MemoryLedger, control: ControlClient
) -> None:
    await control.script(*(Rule(persona=each, hold="all") for each in PANEL.ids))

    work = runs.begin()
    await control.wait({"held": 5}, run_id="r-1")
    await control.release("all")
    await work

    assert ledger.kinds()[-1] == "run_completed"


async def test_no_call_is_made_before_its_attempt_is_durable(
    runs: Runs, ledger: MemoryLedger, control: ControlClient
) -> None:
    ledger.durable.clear()

    work = runs.go_on(attached())
    await asyncio.wait({work}, timeout=0.1)
    calls_before = (await control.counters())["total"]["started"]
    ledger.durable.set()
    await work

    assert calls_before == 0
    assert ledger.numbers("expand") == [(1, "STARTED"), (1, "SUCCEEDED")]


async def test_a_queued_run_starts_at_its_first_step(runs: Runs, ledger: MemoryLedger) -> None:
    await runs.go_on(attached())

    assert ledger.commits[0] == ["step_started"]
    assert ledger.kinds()[-1] == "run_completed"


async def test_a_recorded_proposal_and_recorded_reviews_are_never_asked_for_again(
    runs: Runs, ledger: MemoryLedger, control: ControlClient
) -> None:
    done = ["architect", "critic", "security_guardian"]
    recorded = attached(
        steps={"expand": run_pb2.STEP_STATE_COMPLETED}
        | {f"review_{each}": run_pb2.STEP_STATE_COMPLETED for each in done}
        | {f"review_{each}": run_pb2.STEP_STATE_RUNNING for each in ("optimist", "user_advocate")},
        proposal=proposal(),
        persona_reviews=[review(each) for each in done],
        attempts=[tried("review_optimist", 1, UNKNOWN), tried("review_user_advocate", 1, UNKNOWN)],
    )

    await runs.go_on(recorded)

    assert (await control.counters())["total"]["started"] == 2
    assert ledger.numbers("review_optimist") == [(2, "STARTED"), (2, "SUCCEEDED")]
    assert ledger.kinds().count("step_started") == 1  # of the decision
    decision = ledger.items[-3].decision_ready.decision
    assert [each.persona_id for each in decision.contributions] == list(PANEL.ids)


async def test_a_step_whose_budget_is_used_up_fails_without_a_call(
    runs: Runs, ledger: MemoryLedger, control: ControlClient
) -> None:
    recorded = attached(
        steps={"expand": run_pb2.STEP_STATE_RUNNING},
        attempts=[tried("expand", 1, UNKNOWN), tried("expand", 2, UNKNOWN)],
    )

    await runs.go_on(recorded)

    assert (await control.counters())["total"]["started"] == 0
    assert ledger.failure().reason == errors_pb2.ERROR_REASON_ATTEMPTS_EXHAUSTED
    assert ledger.kinds() == ["step_failed", "run_failed"]


async def test_resuming_renews_the_budget_and_goes_on_counting(runs: Runs, ledger: MemoryLedger) -> None:
    recorded = attached(
        attempts=[tried("expand", 1, UNKNOWN, at=10), tried("expand", 2, UNKNOWN, at=11)],
        budget_start_time=Timestamp(seconds=12),
    )

    await runs.go_on(recorded)

    assert ledger.numbers("expand") == [(3, "STARTED"), (3, "SUCCEEDED")]
    assert ledger.kinds()[-1] == "run_completed"


async def test_a_persona_that_had_given_up_is_not_asked_again(
    runs: Runs, ledger: MemoryLedger, control: ControlClient
) -> None:
    recorded = attached(
        steps={"expand": run_pb2.STEP_STATE_COMPLETED, "review_critic": run_pb2.STEP_STATE_FAILED},
        proposal=proposal(),
    )
    recorded.run.steps[2].failure.reason = errors_pb2.ERROR_REASON_LLM_REFUSED

    await runs.go_on(recorded)

    assert (await control.counters())["total"]["started"] == 4
    failure = ledger.failure()
    assert failure.reason == errors_pb2.ERROR_REASON_QUORUM_NOT_MET
    assert failure.failed_step == "review_critic"
    assert list(failure.finished_personas) == [each for each in PANEL.ids if each != "critic"]
    assert [(each.persona_id, each.reason) for each in failure.persona_failures] == [
        ("critic", errors_pb2.ERROR_REASON_LLM_REFUSED)
    ]


async def test_a_relaxed_quorum_decides_without_the_missing_and_says_who_is_missing(
    runs: Runs, ledger: MemoryLedger, control: ControlClient
) -> None:
    await control.script(Rule(persona="optimist", refusal="I would rather not."))

    await runs.begin(min_personas=4)

    missing = ledger.items[-3].decision_ready.decision.completeness.missing_personas
    assert [(each.persona_id, each.reason) for each in missing] == [
        ("optimist", errors_pb2.ERROR_REASON_LLM_REFUSED)
    ]


async def test_a_run_of_a_newer_policy_is_left_to_be_resumed_by_a_release_that_knows_it(
    runs: Runs, ledger: MemoryLedger
) -> None:
    reviews = [review(persona) for persona in PANEL.ids]
    recorded = attached(proposal=proposal(), persona_reviews=reviews, steps=dict.fromkeys(STEPS[:-1], 3))
    recorded.run.specification.policy_version = "9.0.0"

    await runs.go_on(recorded)

    failure = ledger.failure()
    assert (failure.failed_step, failure.resumable) == ("aggregate_decision", True)
    assert list(failure.finished_personas) == list(PANEL.ids)


async def test_the_runs_deadline_ends_it_and_its_calls(
    runs: Runs, ledger: MemoryLedger, control: ControlClient
) -> None:
    await control.script(Rule(persona="critic", hold="for ever"))
    began = time.monotonic()

    await runs.begin(seconds=0.5)

    assert time.monotonic() - began < 0.5 + 0.25 + 1.0  # the last is for a busy machine
    failure = ledger.failure()
    assert failure.reason == errors_pb2.ERROR_REASON_RUN_DEADLINE_EXCEEDED
    assert (failure.failed_step, failure.resumable) == ("review_critic", True)
    assert len(failure.finished_personas) == 4
    assert (await control.wait({"aborted": 1}, persona="critic"))["in_flight"] == 0


async def test_an_unexpected_fault_ends_the_run_and_its_text_stays_in_the_log(
    ledger: MemoryLedger, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The excuse: a fault that no input is known to cause.
    def break_(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("review_service.runs.run.decide", break_)

    await runs.begin()

    failure = ledger.failure()
    assert (failure.reason, failure.failed_step) == (errors_pb2.ERROR_REASON_INTERNAL, "aggregate_decision")
    assert "a fault of ours" not in failure.message


async def test_cancelling_closes_the_calls_to_the_model(
    runs: Runs, ledger: MemoryLedger, control: ControlClient
) -> None:
    await control.script(Rule(step="expand", hold="for ever"))
    work = runs.begin()
    await control.wait({"held": 1})

    work.cancel()
    await asyncio.gather(work, return_exceptions=True)

    await control.wait({"aborted": 1}, timeout_seconds=0.5)
    assert ledger.commits == []


async def test_an_attempt_of_a_lost_worker_counts_against_the_budget_and_keeps_its_number(
    runs: Runs, ledger: MemoryLedger, control: ControlClient
) -> None:
    await control.script(Rule(step=EXPAND, status=503))
    recorded = attached(steps={EXPAND: run_pb2.STEP_STATE_RUNNING}, attempts=[tried(EXPAND, 1, UNKNOWN)])

    await runs.go_on(recorded)

    assert ledger.numbers(EXPAND) == [(2, "STARTED"), (2, "FAILED")]  # of the two that the budget allows
    assert ledger.failure().reason == errors_pb2.ERROR_REASON_LLM_UNAVAILABLE


async def test_calls_that_the_end_of_a_run_cuts_are_recorded_as_unknown_and_no_others(
    runs: Runs, ledger: MemoryLedger, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The excuse: a fault that no input is known to cause.
    def break_at_critic(review: panel_pb2.PersonaReview, attempt_count: int) -> object:
        if review.persona_id == "critic":
            raise RuntimeError("a fault of ours")
        return review_ready(review, attempt_count)

    monkeypatch.setattr("review_service.runs.record_items.review_ready", break_at_critic)
    await control.script(
        Rule(persona="architect", hold="for ever"),
        Rule(persona="optimist", attempt=1, status=503),
        Rule(persona="optimist", attempt=2, hold="for ever"),
        Rule(persona="critic", hold="critic"),
    )
    work = runs.begin()
    await control.wait({"held": 3})
    await ledger.has(review_step("security_guardian"), 1, "SUCCEEDED")
    await ledger.has(review_step("user_advocate"), 1, "SUCCEEDED")
    await control.release("critic")

    await work

    unknown = [each for each in ledger.attempts if each.state == UNKNOWN]
    started = [each for each in ledger.attempts if each.state == attempt_pb2.ATTEMPT_STATE_STARTED]
    assert [(each.step, each.attempt_number) for each in unknown] == [
        (review_step("architect"), 1),
        (review_step("critic"), 1),
        (review_step("optimist"), 2),
    ]
    for each in unknown:
        each.state = attempt_pb2.ATTEMPT_STATE_STARTED
        assert each in started


DOCUMENT = run_pb2.RunSpecification(
    document=document_pb2.Document(
        text="# Rota\n\nA rota for two wards.\n", format=document_pb2.DOCUMENT_FORMAT_MARKDOWN
    ),
    document_expansion=document_pb2.DOCUMENT_EXPANSION_SKIP,
)
GIVEN = run_pb2.RunSpecification(proposal=proposal())
SKIPPED = run_pb2.STEP_STATE_SKIPPED


@pytest.mark.parametrize(
    ("subject", "opening"),
    [(DOCUMENT, ["step_skipped"]), (GIVEN, ["step_skipped", "proposal_ready"])],
    ids=["document", "proposal"],
)
async def test_what_is_not_expanded_is_reviewed_at_once(
    runs: Runs, ledger: MemoryLedger, subject: run_pb2.RunSpecification, opening: list[str]
) -> None:
    await runs.begin(subject=subject)

    assert runs.first_items == [*opening, *["step_started"] * 5]
    assert ledger.commits[:5] == [["persona_review_ready", "step_completed"]] * 5
    assert ledger.kinds()[-1] == "run_completed"
    assert not ledger.numbers(EXPAND)


async def test_a_document_that_is_summarised_is_expanded_first(runs: Runs, ledger: MemoryLedger) -> None:
    subject = run_pb2.RunSpecification()
    subject.CopyFrom(DOCUMENT)
    subject.document_expansion = document_pb2.DOCUMENT_EXPANSION_SUMMARISE

    await runs.begin(subject=subject)

    assert runs.first_items == ["step_started"]
    assert ledger.commits[0] == ["proposal_ready", "step_completed", *["step_started"] * 5]
    reviews = [
        item.persona_review_ready.persona_review
        for item in ledger.items
        if item.HasField("persona_review_ready")
    ]
    assert [each.name for each in reviews[0].shown_texts] == ["document", "proposal"]


@pytest.mark.parametrize(
    ("subject", "fields", "first"),
    [
        (DOCUMENT, {}, ["step_skipped", *["step_started"] * 5]),
        (GIVEN, {}, ["step_skipped", "proposal_ready", *["step_started"] * 5]),
        # After a resumption the step is PENDING again, and the proposal is there.
        (GIVEN, {"proposal": proposal()}, ["step_skipped", *["step_started"] * 5]),
    ],
    ids=["document", "proposal", "resumed proposal"],
)
async def test_a_claimed_run_records_that_nothing_is_expanded(
    runs: Runs,
    ledger: MemoryLedger,
    subject: run_pb2.RunSpecification,
    fields: dict[str, Any],
    first: list[str],
) -> None:
    await runs.go_on(attached(subject=subject, **fields))

    assert ledger.commits[0] == first
    assert ledger.kinds()[-1] == "run_completed"


async def test_whoever_takes_a_document_over_asks_only_who_is_missing(
    runs: Runs, ledger: MemoryLedger
) -> None:
    done = review("critic")

    await runs.go_on(attached(subject=DOCUMENT, steps={EXPAND: SKIPPED}, persona_reviews=[done]))

    assert ledger.kinds().count("persona_review_ready") == 4
    assert "step_skipped" not in ledger.kinds()


async def test_a_revised_document_that_is_summarised_has_no_diff_of_proposals(
    runs: Runs, ledger: MemoryLedger
) -> None:
    subject = run_pb2.RunSpecification(revision=run_pb2.RevisionSpecification(parent_run_id="r-0"))
    subject.MergeFrom(DOCUMENT)
    subject.document_expansion = document_pb2.DOCUMENT_EXPANSION_SUMMARISE

    await runs.go_on(attached(subject=subject))

    ready = next(item.proposal_ready for item in ledger.items if item.HasField("proposal_ready"))
    assert not ready.HasField("proposal_diff")
