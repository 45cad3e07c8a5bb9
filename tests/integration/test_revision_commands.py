"""`consensus revise`, `diff`, `runs --export` and reports of revisions, against the running pair."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.integration.test_consensus_command import consensus
from tests.support.pair import Client, Pair
from tests.support.revisions import revised, scored_run, script_scores


@pytest.fixture
async def parent(client: Client, idea: str, mark: str) -> str:
    """A run with the scores of `tests.support.revisions`."""
    run_id = await scored_run(client, idea, mark)
    await script_scores(client, mark, {"architect": 0.95, "security_guardian": 0.95})
    return run_id


async def test_revise_follows_the_revision_to_its_decision(pair: Pair, parent: str) -> None:
    done = await asyncio.to_thread(
        consensus, pair, "revise", parent, "--notes", "Tokens expire after one hour.", "--gate"
    )
    assert done.returncode == 0, done.stderr
    assert "Critic: 0.70 (carried over)" in done.stdout
    assert "APPROVE" in done.stdout
    assert f"consensus diff {parent}" in done.stderr


async def test_an_edited_proposal_comes_from_a_file(pair: Pair, parent: str, tmp_path: Path) -> None:
    shown = await asyncio.to_thread(consensus, pair, "show", parent, "--json")
    proposal = json.loads(shown.stdout)["proposal"] | {"proposedSolution": "A page on the ward's tablet."}
    (tmp_path / "edited.json").write_text(json.dumps(proposal), encoding="utf-8")

    arguments = "revise", parent, "--edited", f"@{tmp_path / 'edited.json'}", "--all", "--json"
    done = await asyncio.to_thread(consensus, pair, *arguments)

    assert done.returncode == 0, done.stderr
    ready = next(line for line in map(json.loads, done.stdout.splitlines()) if "proposalReady" in line)
    assert ready["proposalReady"]["proposal"]["proposedSolution"] == "A page on the ward's tablet."


async def test_diff_shows_what_changed(pair: Pair, client: Client, parent: str) -> None:
    revision = await revised(client, parent)

    done = await asyncio.to_thread(consensus, pair, "diff", parent, revision.run_id)

    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[1] == f"b  {revision.run_id}  (b revises a)"
    assert "REVISE -> APPROVE  confidence 0.7625 -> 0.8575 (+0.095)" in lines
    assert "  +- Tokens expire after one hour." in lines
    assert any(line.startswith("  - no longer: ") for line in lines)


async def test_reports_of_a_revision_say_what_flipped_the_decision(
    pair: Pair, client: Client, parent: str
) -> None:
    revision = await revised(client, parent)
    for form, heading in (("md", "## What changed"), ("html", "<h2>What changed</h2>")):
        done = await asyncio.to_thread(consensus, pair, "report", revision.run_id, "--format", form)
        assert done.returncode == 0, done.stderr
        assert heading in done.stdout
        assert "0.8575" in done.stdout


async def test_an_export_is_a_line_of_json_per_run(pair: Pair, client: Client, idea: str, mark: str) -> None:
    ids = [(await client.stream(idea, user=mark))[0].run_id for _ in range(3)]
    done = await asyncio.to_thread(consensus, pair, "runs", "--export", "--user", mark)
    assert done.returncode == 0, done.stderr
    runs = [json.loads(line) for line in done.stdout.splitlines()]
    assert [run["runId"] for run in runs] == ids[::-1]
    assert [len(run["personaReviews"]) for run in runs] == [5, 5, 5]


async def test_a_refused_revision_is_explained_in_a_line(pair: Pair) -> None:
    done = await asyncio.to_thread(consensus, pair, "revise", "none", "--notes", "Shorter.")
    assert done.returncode == 1
    assert "RUN_NOT_FOUND" in done.stderr
