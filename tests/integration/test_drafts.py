"""Drafts through the running pair: written in turns, submitted, reviewed, revised; and by the command."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from consensus.v1 import draft_pb2, review_service_pb2, run_pb2
from consensus_client import DraftClient
from consensus_contract.errors import DraftEmpty, DraftNotFound, IdempotencyKeyReused, NotAWriter
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.errors import InvalidField
from tests.support.pair import Client, Pair
from tests.support.processes import clean_environment, run_command

ROOT = Path(__file__).resolve().parents[2]
WALK = ROOT / "examples" / "python" / "co_write.py"
EDITOR, VIEWER = draft_pb2.COLLABORATOR_ROLE_EDITOR, draft_pb2.COLLABORATOR_ROLE_VIEWER


def environment(pair: Pair) -> dict[str, str]:
    return clean_environment(
        CONSENSUS_SERVER=pair.review_address,
        CONSENSUS_PERSISTENCE=pair.persistence_address,
        COLUMNS="100",
        PYTHONUTF8="1",
    )


def run(pair: Pair, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment(pair), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


async def submit(client: Client, draft_id: str, **fields: Any) -> run_pb2.Run:
    request = review_service_pb2.SubmitDraftRequest(draft_id=draft_id, **({"user": "ann"} | fields))
    with contract_errors():
        run: run_pb2.Run = (await client.review.SubmitDraft(request)).run
    return run


@pytest.fixture
async def drafts(pair: Pair) -> Any:
    async with DraftClient(pair.persistence_address) as client:
        yield client


async def write(drafts: DraftClient, *texts: str) -> str:
    """A draft of ann's."""
    draft = await drafts.create("A draft", user="ann")
    for text in texts:
        await drafts.append(draft.draft_id, text, user="ann")
    return draft.draft_id


async def test_the_walk_of_the_example_writes_submits_and_revises(pair: Pair, client: Client) -> None:
    done = run(pair, str(WALK))

    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "ben waits for the ring"
    assert [line.split()[0] for line in lines[1:4]] == ["0", "1", "2"]
    first, revision = lines[4].split()[1].rstrip(":"), lines[5].split()[1].rstrip(":")
    draft_id = lines[6].split()[1]
    reviewed, revised = await client.get(first), await client.get(revision)
    assert reviewed.specification.idea.count("\n") == 2
    assert reviewed.specification.user == "cleo"
    assert (revised.parent_run_id, revised.specification.user) == (first, "ben")
    assert reviewed.specification.draft_id == revised.specification.draft_id == draft_id
    assert reviewed.state == revised.state == run_pb2.RUN_STATE_COMPLETED


async def test_a_draft_may_have_more_sentences_than_an_idea(drafts: DraftClient, client: Client) -> None:
    draft_id = await write(drafts, *("One. Two. Three. Four." for _ in range(3)))
    submitted = await submit(client, draft_id)
    assert submitted.specification.idea == "\n".join(["One. Two. Three. Four."] * 3)
    assert (await client.watch(submitted.run_id))[-1].HasField("run_completed")


async def test_a_repeated_submission_is_the_same_run_whatever_became_of_the_draft(
    drafts: DraftClient, client: Client
) -> None:
    draft_id = await write(drafts, "One.")
    first = await submit(client, draft_id, idempotency_key="k")
    await drafts.append(draft_id, "Two.", user="ann")
    assert (await submit(client, draft_id, idempotency_key="k")).run_id == first.run_id
    await drafts.delete(draft_id, user="ann")
    assert (await submit(client, draft_id, idempotency_key="k")).run_id == first.run_id
    with pytest.raises(IdempotencyKeyReused):
        await submit(client, draft_id, idempotency_key="k", user="ben")


async def test_the_same_key_starts_a_run_of_each_draft(drafts: DraftClient, client: Client) -> None:
    runs = [await submit(client, await write(drafts, "One."), idempotency_key="k") for _ in range(2)]
    assert runs[0].run_id != runs[1].run_id


async def test_who_may_not_write_does_not_submit(drafts: DraftClient, client: Client) -> None:
    draft_id = await write(drafts, "One.")
    await drafts.add(draft_id, "vic", VIEWER, user="ann")
    for user in ("vic", "stranger"):
        with pytest.raises(NotAWriter):
            await submit(client, draft_id, user=user)


async def test_what_cannot_be_submitted_is_refused(drafts: DraftClient, client: Client) -> None:
    with pytest.raises(DraftNotFound):
        await submit(client, "none")
    with pytest.raises(DraftEmpty):
        await submit(client, await write(drafts))
    with pytest.raises(InvalidField, match="letter or a digit"):
        await submit(client, await write(drafts, "?!"))
    draft_id = await write(drafts, *("x" * 500 for _ in range(20)))
    with pytest.raises(InvalidField, match="1 to 10000 characters after trimming; 10019 were sent"):
        await submit(client, draft_id)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"user": ""}, "user"),
        ({"user": "u" * 256}, "user"),
        ({"draft_id": "d" * 65}, "draft_id"),
        ({"idempotency_key": "k" * 256}, "idempotency_key"),
        ({"context": {"text": "!"}}, "context.text"),
        ({"context": {"object": {"a": float("nan")}}}, "context.object"),
        ({"options": {"expand_temperature": 0.123}}, "options.expand_temperature"),
    ],
    ids=["no user", "long user", "long draft", "long key", "bare text", "nan", "three decimals"],
)
async def test_limits_of_a_submission(client: Client, fields: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidField) as refused:
        await submit(client, **({"draft_id": "d", "idempotency_key": "k"} | fields))
    assert [each.field for each in refused.value.field_violations] == [named]


async def test_the_command_writes_passes_and_submits(pair: Pair, mark: str) -> None:
    def consensus(*arguments: str, user: str = "ann") -> str:
        done = run_command("draft", *arguments, "--user", user, environment=environment(pair))
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    draft_id = consensus("new", f"Handover {mark}", "--id", mark, "--platform", "x").split()[1]
    assert draft_id == mark
    token = consensus("invite", mark, "--invitee", "ben")
    assert consensus("accept", mark, token, user="ben") == "ben: editor"
    assert consensus("append", mark, f"{mark} lets nurses hand over a shift.").startswith("segment 0 by @u_")
    assert consensus("pass", mark, "ben").startswith("ben since ")
    consensus("append", mark, "It replaces the paper form on two wards.", user="ben")
    assert "completed" in consensus("update", mark, "--state", "completed")
    assert mark in consensus("list", user="ben")

    shown = run_command("draft", "show", mark, environment=environment(pair))
    assert "1  ben (@u_" in shown.stdout
    assert "It replaces the paper form on two wards." in shown.stdout

    submitted = json.loads(consensus("submit", mark, "--detach", "--json"))
    assert submitted["specification"]["draftId"] == mark
    followed = run_command("draft", "submit", mark, "--user", "ben", environment=environment(pair))
    assert followed.returncode == 0, followed.stderr
    assert "confidence" in followed.stdout

    refused = run_command("draft", "append", mark, "x", "--user", "ann", environment=environment(pair))
    assert (refused.returncode, "NOT_RING_HOLDER" in refused.stderr) == (1, True)


async def test_the_client_follows_a_draft(drafts: DraftClient) -> None:
    draft_id = await write(drafts, "One.")
    kinds = []
    async for event in drafts.watch(draft_id):
        kinds.append(event.WhichOneof("payload"))
        if event.HasField("segment_added"):
            await drafts.delete(draft_id, user="ann")
    assert kinds == ["draft_created", "segment_added", "draft_deleted"]
