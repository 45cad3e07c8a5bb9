"""Policies through the pair: pinned by requests and panels, carried by revisions, fitted and used."""

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from consensus.v1 import decision_pb2, decision_service_pb2, panel_service_pb2, run_pb2
from consensus_client import DecisionClient, PanelClient, PolicyClient, ReviewClient, ReviewOptions
from consensus_contract.errors import PolicyNotFound
from consensus_decision.policies import policy_message
from consensus_decision.policy import DEFAULT, Policy, PolicyQuorum, Thresholds, VetoRule
from consensus_panels import default_panel
from consensus_rpc.errors import InvalidField
from tests.support.pair import Pair
from tests.support.processes import clean_environment, run_command

IDEA = "Let customers export their orders as CSV. Only the owner of an account may start an export."
LENIENT = replace(
    DEFAULT, thresholds=Thresholds(Decimal("0.2"), Decimal("0.1")), vetoes=(), blocking_weight=None
)
STRICT = replace(DEFAULT, thresholds=Thresholds(Decimal("0.99"), Decimal("0.98")))


@pytest.fixture
def pair(start_pair: Callable[..., Pair]) -> Pair:
    return start_pair()


async def reviewed(client: ReviewClient, **options: object) -> run_pb2.Run:
    run = await client.start_review(IDEA, options=ReviewOptions(**options))  # type: ignore[arg-type]
    async for _ in client.watch_run(run.run_id):
        pass
    return await client.get_run(run.run_id)


async def test_a_run_pins_its_policy_and_a_revision_takes_its_parents(pair: Pair) -> None:
    async with (
        PolicyClient(pair.persistence_address) as policies,
        ReviewClient(pair.review_address) as client,
    ):
        lenient = (await policies.put(policy_message("mine", LENIENT))).policy
        before = await reviewed(client, policy="mine")
        strict = (await policies.put(policy_message("mine", STRICT))).policy
        after = await reviewed(client, policy="mine")
        named = await reviewed(client, policy=f"mine@{lenient.revision[:8]}")
        plain = await reviewed(client)
        started = await client.revise_run(before.run_id, edit_notes="Exports expire after one day.")
        async for _ in client.watch_run(started.run_id):
            pass
        revision = await client.get_run(started.run_id)
        with pytest.raises(PolicyNotFound):
            await reviewed(client, policy="absent")

    revisions = [run.specification.policy.revision for run in (before, after, named, revision)]
    assert revisions == [lenient.revision, strict.revision, lenient.revision, lenient.revision]
    assert not plain.specification.HasField("policy")
    labels = [run.decision.label for run in (before, after, named, revision)]
    approve, reject = decision_pb2.DECISION_LABEL_APPROVE, decision_pb2.DECISION_LABEL_REJECT
    assert labels == [approve, reject, approve, approve]
    assert before.decision.policy == f"mine@{lenient.revision}"
    assert before.assessment.one_model


@pytest.mark.parametrize(
    "unfit",
    [
        replace(DEFAULT, quorum=PolicyQuorum(min_personas=6)),
        replace(DEFAULT, quorum=PolicyQuorum(required_personas=("lawyer",))),
        replace(DEFAULT, vetoes=(VetoRule(persona_id="lawyer"),)),
        replace(DEFAULT, weights={persona.persona_id: Decimal(0) for persona in default_panel().personas}),
    ],
)
async def test_a_policy_that_can_never_decide_the_panel_is_refused_before_anybody_is_asked(
    pair: Pair, unfit: Policy
) -> None:
    async with (
        PolicyClient(pair.persistence_address) as policies,
        ReviewClient(pair.review_address) as client,
    ):
        await policies.put(policy_message("unfit", unfit))
        with pytest.raises(InvalidField) as refused:
            await client.start_review(IDEA, options=ReviewOptions(policy="unfit"))

    assert [each.field for each in refused.value.field_violations] == ["review.options.policy"]


async def test_a_panel_names_its_policy_and_a_request_another(pair: Pair) -> None:
    panel = default_panel()
    panel.panel_id, panel.policy = "ours", "lenient"
    async with (
        PolicyClient(pair.persistence_address) as policies,
        PanelClient(pair.persistence_address) as panels,
        ReviewClient(pair.review_address) as client,
    ):
        for name, policy in (("lenient", LENIENT), ("strict", STRICT)):
            await policies.put(policy_message(name, policy))
        stored: panel_service_pb2.Panel = (await panels.put(panel)).panel
        by_panel = await reviewed(client, panel="ours")
        by_request = await reviewed(client, panel="ours", policy="strict")
        by_default = await reviewed(client, panel="ours", policy="default")

    assert stored.policy == "lenient"
    assert by_panel.specification.policy.policy_id == "lenient"
    assert by_request.specification.policy.policy_id == "strict"
    assert not by_default.specification.HasField("policy")


async def test_from_outcomes_to_a_policy_in_use_by_the_command(pair: Pair, tmp_path: Path) -> None:
    environment = clean_environment(
        CONSENSUS_PERSISTENCE=pair.persistence_address, CONSENSUS_SERVER=pair.review_address
    )

    async def consensus(*arguments: str, code: int = 0) -> str:
        done = await asyncio.to_thread(run_command, *arguments, environment=environment, folder=tmp_path)
        assert done.returncode == code, done
        return done.stdout or done.stderr

    async with (
        ReviewClient(pair.review_address) as client,
        DecisionClient(pair.persistence_address) as decisions,
    ):

        async def labelled(count: int) -> str:
            run = await reviewed(client)
            label = decision_pb2.DECISION_LABEL_APPROVE if count % 3 else decision_pb2.DECISION_LABEL_REJECT
            outcome = decision_service_pb2.Outcome(run_id=run.run_id, label=label, source="test")
            return (await decisions.record_outcome(outcome)).run_id

        for count in range(29):
            await labelled(count)
        assert "29 outcomes are too few" in await consensus("policy", "fit", "--from-runs", code=2)
        last = await labelled(29)

    fitted = await consensus("policy", "fit", "--from-runs", "--put", "fitted", "-o", "fitted.json")
    assert "labels           30" in fitted
    assert "put fitted@" in fitted
    assert json.loads((tmp_path / "fitted.json").read_text())["provenance"]["labelled_runs"] == 30
    assert "of 30 with an outcome" in await consensus("policy", "what-if", "fitted")
    assert "expected to cost least" in await consensus("explain", last, "--policy", "fitted")
    assert "as it is stored" in await consensus("explain", last)
    assert "security_guardian" in await consensus("scorecard")
    assert "fitted" in await consensus("policy", "list")
    reviewed_by_it = await consensus("review", IDEA, "--policy", "fitted")
    assert "expected to cost least" in reviewed_by_it
    exported = await consensus("runs", "--export")
    script = Path(__file__).parents[2] / "examples" / "recompute" / "recompute.py"
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(script), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate(exported.encode())
    assert out.decode() == "31 decisions recomputed, 0 of them otherwise than they are stored\n"
