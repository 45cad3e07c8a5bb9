"""Panels as data through the pair: pinned, revised, deleted meanwhile, of twenty personas, compared."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from consensus.v1 import panel_pb2, panel_service_pb2, run_pb2
from consensus_client import PanelClient, ReviewClient, ReviewOptions
from consensus_contract.errors import PanelNotFound
from consensus_panels import read_folder
from consensus_rpc.errors import InvalidField
from tests.support.pair import Pair
from tests.support.processes import clean_environment, run_command
from tests.support.providers import Provider

IDEA = "Let customers export their orders as CSV. Only the owner of an account may start an export."
EXAMPLE = Path(__file__).parents[2] / "examples" / "panels" / "security-review"


def of(count: int, **fields: object) -> panel_service_pb2.Panel:
    return panel_service_pb2.Panel(
        panel_id="many",
        personas=[
            panel_pb2.Persona(
                persona_id=f"p{number}",
                display_name=f"Persona {number}",
                weight=0.1429,
                holds_veto=number == 1,
                instructions=f"You are reader {number}. Judge part {number} of what is said, and that alone.",
                **fields,  # type: ignore[arg-type]
            )
            for number in range(1, count + 1)
        ],
    )


async def reviewed(client: ReviewClient, **options: object) -> run_pb2.Run:
    chosen = ReviewOptions(**options)  # type: ignore[arg-type]
    run = await client.start_review(IDEA, options=chosen)
    async for _ in client.watch_run(run.run_id):
        pass
    return await client.get_run(run.run_id)


@pytest.fixture
def pair(start_pair: Callable[..., Pair]) -> Pair:
    return start_pair()


async def test_a_run_is_reviewed_by_the_revision_that_it_pinned(pair: Pair) -> None:
    async with PanelClient(pair.persistence_address) as panels, ReviewClient(pair.review_address) as client:
        sent = read_folder(EXAMPLE)
        sent.panel_id = "security-review"
        first = (await panels.put(sent)).panel
        before = await reviewed(client, panel="security-review")
        sent.personas[0].instructions += " Look at what is written about exports first."
        second = (await panels.put(sent)).panel
        after = await reviewed(client, panel="security-review")
        named = await reviewed(client, panel=f"security-review@{first.revision[:10]}")
        revisions = [run.specification.panel_revision for run in (before, after, named)]
        assert revisions == [first.revision, second.revision, first.revision]
        ids = [persona.persona_id for persona in sent.personas]
        for run in (before, after, named):
            assert run.state == run_pb2.RUN_STATE_COMPLETED
            assert [review.persona_id for review in run.persona_reviews] == ids
            assert [step.name for step in run.steps][1:-1] == [f"review_{each}" for each in ids]
        digests = [run.persona_reviews[0].provenance.prompt_digest for run in (before, after)]
        assert digests == [first.personas[0].prompt_digest, second.personas[0].prompt_digest]


async def test_a_key_that_started_a_run_answers_with_it_though_its_panel_is_deleted(pair: Pair) -> None:
    async with PanelClient(pair.persistence_address) as panels, ReviewClient(pair.review_address) as client:
        await panels.put(of(3))
        run = await client.start_review(IDEA, options=ReviewOptions(panel="many"), idempotency_key="k")
        await panels.delete("many")
        async for _ in client.watch_run(run.run_id):
            pass
        ended = await client.get_run(run.run_id)
        assert (ended.state, len(ended.persona_reviews)) == (run_pb2.RUN_STATE_COMPLETED, 3)
        again = await client.start_review(IDEA, options=ReviewOptions(panel="many"), idempotency_key="k")
        assert again.run_id == run.run_id
        with pytest.raises(PanelNotFound):
            await client.start_review(IDEA, options=ReviewOptions(panel="many"))


async def test_twenty_personas_at_once_and_weights_of_a_seventh(pair: Pair) -> None:
    async with ReviewClient(pair.review_address) as client:
        twenty, seven = await asyncio.gather(reviewed(client, panel=of(20)), reviewed(client, panel=of(7)))
        assert (len(twenty.persona_reviews), twenty.turnout.expected_count) == (20, 20)
        weights = [round(each.weight * 10_000) for each in seven.decision.contributions]
        assert (len(weights), sum(weights)) == (7, 10_000)
        assert (seven.specification.panel_id, len(seven.specification.panel_revision)) == ("", 64)


async def test_a_panel_that_can_be_none_is_refused_with_what_lint_says(pair: Pair) -> None:
    async with ReviewClient(pair.review_address) as client:
        with pytest.raises(InvalidField) as refused:
            await reviewed(client, panel=of(2, optional=True))
        assert "panel.all_optional" in {each.reason for each in refused.value.field_violations}


async def test_a_revision_is_reviewed_by_its_parents_panel(pair: Pair) -> None:
    async with ReviewClient(pair.review_address) as client:
        parent = await reviewed(client, panel=of(7))
        started = await client.revise_run(parent.run_id, edit_notes="Exports expire after one day.")
        async for _ in client.watch_run(started.run_id):
            pass
        run = await client.get_run(started.run_id)
        assert run.specification.panel_revision == parent.specification.panel_revision
        assert len(run.persona_reviews) == 7
        diff = await client.diff_runs(parent.run_id, run.run_id)
        assert len(diff.personas) == 7


async def test_the_command_takes_a_panel_from_folder_to_decision(pair: Pair, tmp_path: Path) -> None:
    environment = clean_environment(
        CONSENSUS_PERSISTENCE=pair.persistence_address, CONSENSUS_SERVER=pair.review_address
    )

    async def consensus(*arguments: str) -> tuple[int, str, str]:
        done = await asyncio.to_thread(run_command, *arguments, environment=environment, folder=tmp_path)
        return done.returncode, done.stdout, done.stderr

    assert (await consensus("panel", "init", "mine"))[0] == 0
    (tmp_path / "mine" / "critic.md").write_text(
        (tmp_path / "mine" / "critic.md").read_text(encoding="utf-8") + "Name the cheapest test.\n",
        encoding="utf-8",
    )
    code, out, _ = await consensus("panel", "lint", "mine")
    assert (code, "one" in out or "note" in out) == (0, True)
    code, out, err = await consensus("panel", "put", "ours", "mine")
    assert (code, out.startswith("put ours@")) == (0, True), err
    assert "ours" in (await consensus("panel", "list"))[1]
    assert "Name the cheapest test." in (await consensus("panel", "diff", "default", "ours"))[1]
    code, out, err = await consensus("review", IDEA, "--panel", "ours")
    assert code == 0, err
    code, out, err = await consensus("review", IDEA, "--panel", str(EXAMPLE))
    assert code == 0, err
    assert "Threat modeller" in out or "threat_modeller" in out.lower()
    assert (await consensus("panel", "delete", "ours"))[0] == 0
    assert (await consensus("review", IDEA, "--panel", "ours"))[0] == 1


async def test_three_personas_on_two_routes_are_asked_there_before_and_after_a_revision(
    start_pair: Callable[..., Pair], tmp_path: Path
) -> None:
    async with Provider().serving() as near, Provider().serving() as far:
        file = tmp_path / "routes.toml"
        file.write_text(
            f'[routes.near]\nbase_url = "{near.base_url}"\nmodel = "tiny"\n'
            f'[routes.far]\nbase_url = "{far.base_url}"\nmodel = "large"\n',
            encoding="utf-8",
        )
        pair = await asyncio.to_thread(start_pair, review={"MODEL_ROUTES": str(file)})
        async with (
            PanelClient(pair.persistence_address) as panels,
            ReviewClient(pair.review_address) as client,
        ):
            sent = of(3)
            for persona, model in zip(sent.personas, ("near:", "far:", "far:other"), strict=True):
                persona.model = model
            first = (await panels.put(sent)).panel
            before = await reviewed(client, panel="many")
            sent.personas[0].model = "far:"
            second = (await panels.put(sent)).panel
            after = await reviewed(client, panel="many")
    assert [run.specification.panel_revision for run in (before, after)] == [first.revision, second.revision]
    asked = [
        [(each.provenance.route, each.provenance.requested_model) for each in run.persona_reviews]
        for run in (before, after)
    ]
    assert [[route for route, _ in each] for each in asked] == [["near", "far", "far"], ["far", "far", "far"]]
    assert asked[0][2][1] == "far:other"


async def test_a_panel_that_a_request_brings_is_refused_where_it_stands(pair: Pair) -> None:
    twice = of(2)
    twice.personas[1].persona_id = twice.personas[0].persona_id
    async with ReviewClient(pair.review_address) as client:
        with pytest.raises(InvalidField, match="ids of personas differ") as caught:
            await reviewed(client, panel=twice)
    assert [each.field for each in caught.value.field_violations] == ["review.options.inline_panel"]
