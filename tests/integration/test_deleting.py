"""Deleting through the running pair: by the client library and by the command, on both databases."""

import json
import subprocess

import pytest

from consensus.v1 import review_service_pb2, review_service_pb2_grpc
from consensus_client import ReviewClient
from consensus_contract.errors import IllegalState, RunNotFound
from consensus_rpc.channel.channels import open_channel
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.errors import InvalidField
from offline_model.script import Rule
from tests.support.pair import Pair
from tests.support.processes import clean_environment, run_command


def consensus(pair: Pair, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    environment = clean_environment(
        CONSENSUS_SERVER=pair.review_address,
        CONSENSUS_PERSISTENCE=pair.persistence_address,
        COLUMNS="100",
        PYTHONUTF8="1",
    )
    return run_command(*arguments, environment=environment, typed=typed)


async def reviewed(client: ReviewClient, mark: str) -> str:
    """A run of a user of this test's own, to its end."""
    events = [event async for event in client.review(f"We send reminders, {mark}.", user=mark)]
    return events[0].run_id


async def test_a_deleted_run_is_not_found_until_it_is_restored(pair: Pair, mark: str) -> None:
    async with ReviewClient(pair.review_address) as client:
        run_id = await reviewed(client, mark)
        await client.delete_run(run_id)
        with pytest.raises(RunNotFound):
            await client.get_run(run_id)
        with pytest.raises(RunNotFound):
            [event async for event in client.watch_run(run_id)]
        assert (await client.get_run(run_id, show_deleted=True)).HasField("delete_time")
        restored = await client.undelete_run(run_id)
        assert restored == await client.get_run(run_id)
        kinds = [event.WhichOneof("payload") async for event in client.watch_run(run_id)]
        assert kinds[-3:] == ["run_completed", "run_deleted", "run_undeleted"]


async def test_a_deleted_run_can_be_watched_where_asked_for(pair: Pair, mark: str) -> None:
    async with ReviewClient(pair.review_address) as client, open_channel(pair.review_address) as channel:
        run_id = await reviewed(client, mark)
        deleted = await client.delete_run(run_id)
        request = review_service_pb2.WatchRunRequest(run_id=run_id, show_deleted=True)
        with contract_errors():
            events = [
                event
                async for message in review_service_pb2_grpc.ReviewServiceStub(channel).WatchRun(request)
                for event in message.events
            ]
        assert len(events) == deleted.last_sequence
        assert events[-1].run_deleted.deletion_id == deleted.deletion_id
        assert [event.event_time for event in events if event.HasField("run_deleted")] == [
            deleted.delete_time
        ]


async def test_a_run_that_goes_on_is_not_deleted(pair: Pair, mark: str) -> None:
    pair.control().script(Rule(contains=mark, step="expand", hold=mark))
    async with ReviewClient(pair.review_address) as client:
        run = await client.start_review(f"We send reminders, {mark}.", user=mark)
        with pytest.raises(IllegalState):
            await client.delete_run(run.run_id)
        with pytest.raises(IllegalState) as refusal:
            await client.delete_user_data(mark)
        assert refusal.value.run_id == run.run_id
        await client.cancel_run(run.run_id)
        assert (await client.delete_user_data(mark)).run_count == 1


@pytest.mark.parametrize(
    "user", ["", "x" * 256, "a\nb"], ids=["nobody", "256 characters", "a control character"]
)
async def test_a_user_who_cannot_be_is_refused(pair: Pair, user: str) -> None:
    async with ReviewClient(pair.review_address) as client:
        with pytest.raises(InvalidField) as refusal:
            await client.delete_user_data(user)
    assert refusal.value.field_violations[0].field == "user"


async def test_the_command_deletes_lists_and_restores(pair: Pair, mark: str) -> None:
    async with ReviewClient(pair.review_address) as client:
        run_id = await reviewed(client, mark)
    deleted = consensus(pair, "delete", run_id)
    assert (deleted.returncode, deleted.stdout) == (0, f"run {run_id} deleted\n")
    assert f"undelete {run_id}" in deleted.stderr
    assert consensus(pair, "show", run_id).returncode == 1
    assert "purged after" in consensus(pair, "show", run_id, "--deleted").stdout
    assert run_id not in consensus(pair, "runs", "--user", mark).stdout
    assert "completed, deleted" in consensus(pair, "runs", "--user", mark, "--deleted").stdout
    restored = consensus(pair, "undelete", run_id)
    assert (restored.returncode, restored.stdout) == (0, f"run {run_id} stands\n")
    assert run_id in consensus(pair, "runs", "--user", mark).stdout


async def test_the_command_asks_before_it_deletes_a_persons_data(pair: Pair, mark: str) -> None:
    async with ReviewClient(pair.review_address) as client:
        run_id = await reviewed(client, mark)
        refused = consensus(pair, "delete-user-data", mark, typed="n\n")
        assert refused.returncode == 1
        assert (await client.get_run(run_id)).run_id == run_id
        done = consensus(pair, "delete-user-data", mark, "--yes", "--json")
        answer = json.loads(done.stdout)
        assert (done.returncode, answer["runCount"]) == (0, 1)
        with pytest.raises(RunNotFound):
            await client.get_run(run_id)
        restored = consensus(pair, "undelete", "--deletion", answer["deletionId"])
        assert restored.stdout == "restored: 1 run, 0 drafts, 0 metrics\n"
        assert (await client.get_run(run_id)).run_id == run_id


def test_the_doctor_shows_the_rows_of_each_table(pair: Pair) -> None:
    seen = consensus(pair, "doctor").stdout
    for table in ("runs", "drafts", "metrics", "events", "journal", "idempotency_keys"):
        assert f"table {table} " in seen
    assert "no run waits" in seen or "oldest run since" in seen
    assert "in use" in seen
