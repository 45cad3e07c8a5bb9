"""The `consensus` command and the client library against the real pair."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from consensus_client import ReviewClient, SyncReviewClient
from offline_model.script import Rule
from tests.support.pair import Pair, wait_serving
from tests.support.processes import clean_environment, run_command, wait_started

ROOT = Path(__file__).resolve().parents[2]
RISKY = ROOT / "examples" / "ideas" / "readable-passwords.md"
CAREFUL = ROOT / "examples" / "ideas" / "appointment-reminders.md"
REVIEW = "consensus.v1.ReviewService"


def consensus(pair: Pair, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = clean_environment(
        CONSENSUS_SERVER=pair.review_address,
        CONSENSUS_PERSISTENCE=pair.persistence_address,
        COLUMNS="100",
        PYTHONUTF8="1",
    )
    return run_command(*arguments, environment=environment)


def reviewed(pair: Pair, *arguments: str) -> str:
    """Reviews an idea and returns the run's id."""
    done = consensus(pair, "review", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout.splitlines()[0])["runId"])


def test_a_risky_idea_is_gated_and_a_careful_one_passes(pair: Pair) -> None:
    risky = consensus(pair, "review", f"@{RISKY}", "--gate")
    careful = consensus(pair, "review", f"@{CAREFUL}", "--gate")
    assert risky.returncode in {10, 11}
    assert "security-critical" in risky.stdout
    assert careful.returncode == 0, careful.stdout


def test_the_same_key_replays_the_same_run(pair: Pair, mark: str) -> None:
    arguments = [f"We send reminders, {mark}.", "--idempotency-key", mark]
    assert reviewed(pair, *arguments) == reviewed(pair, *arguments)


def test_the_same_key_with_another_idea_is_refused_with_what_to_do(pair: Pair, mark: str) -> None:
    reviewed(pair, f"We send reminders, {mark}.", "--idempotency-key", mark)
    refused = consensus(pair, "review", f"We send letters, {mark}.", "--idempotency-key", mark)
    assert refused.returncode == 1
    assert "IDEMPOTENCY_KEY_REUSED" in refused.stderr
    assert "another key" in refused.stderr


def test_a_run_is_shown_listed_priced_annotated_and_reported(pair: Pair, mark: str, tmp_path: Path) -> None:
    run_id = reviewed(pair, f"We send reminders, {mark}.", "--user", mark)
    assert run_id in consensus(pair, "runs", "--user", mark).stdout
    assert "total" in consensus(pair, "attempts", run_id).stdout
    assert "Note: for the board" in consensus(pair, "annotate", run_id, "for the board").stdout
    assert "Note: for the board" in consensus(pair, "show", run_id).stdout
    for form in ("md", "html", "json"):
        done = consensus(pair, "report", run_id, "--format", form, "-o", str(tmp_path / form))
        assert done.returncode == 0, done.stderr
        assert run_id in (tmp_path / form).read_text(encoding="utf-8")


def test_the_offline_model_is_named_whatever_model_was_asked(pair: Pair, mark: str) -> None:
    done = consensus(pair, "review", f"We send reminders, {mark}.", "--model", "another")
    run_id = done.stdout.split()[1]
    assert "answered by offline-rules." in done.stdout
    shown = consensus(pair, "show", run_id).stdout.splitlines()
    assert ["answered", "by", "offline-rules"] in [line.split() for line in shown]
    assert "model offline-rules, by" in consensus(pair, "report", run_id).stdout.splitlines()[2]
    assert "another" not in consensus(pair, "attempts", run_id).stdout


def test_a_detached_run_is_watched_to_its_end(pair: Pair, mark: str) -> None:
    started = consensus(pair, "review", f"We send reminders, {mark}.", "--detach")
    run_id = started.stdout.split()[1]
    watched = consensus(pair, "watch", run_id)
    assert watched.returncode == 0, watched.stderr
    assert "confidence" in watched.stdout


def test_an_ended_run_cannot_be_cancelled_and_the_command_says_where_it_stands(pair: Pair, mark: str) -> None:
    run_id = reviewed(pair, f"We send reminders, {mark}.")
    refused = consensus(pair, "cancel", run_id)
    assert refused.returncode == 1
    assert "ILLEGAL_STATE" in refused.stderr
    assert f"consensus show {run_id}" in refused.stderr


def test_an_idea_beyond_a_limit_is_wrong_usage_and_names_the_limit(pair: Pair) -> None:
    refused = consensus(pair, "review", "One. " * 11)
    assert refused.returncode == 2
    assert "10 sentences; 11 were sent" in refused.stderr


def test_an_expansion_is_printed_and_its_calls_can_be_listed(pair: Pair, mark: str) -> None:
    expanded = consensus(pair, "expand", f"We send reminders, {mark}.", "--json")
    answer = json.loads(expanded.stdout)
    assert answer["proposal"]["proposedSolution"]
    assert "succeeded" in consensus(pair, "attempts", answer["expansionId"]).stdout


def test_doctor_finds_both_services_and_the_database_well(pair: Pair) -> None:
    done = consensus(pair, "doctor")
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1] == "all that was tried is well; not tried: model"
    assert "FAILED" not in done.stdout
    (database,) = (line for line in done.stdout.splitlines() if line.split()[1:2] == ["database"])
    assert "://" in database


def test_doctor_tells_programs_the_same(pair: Pair) -> None:
    found = json.loads(consensus(pair, "doctor", "--json").stdout)
    by_name = {each["what"]: each["well"] for each in found["checks"]}
    assert found["well"] is True
    assert by_name["database"] is True
    assert by_name["model"] is None


def test_events_and_metrics_are_listed_and_counted(pair: Pair, mark: str) -> None:
    made = consensus(pair, "draft", "new", "A title", "--user", mark, "--id", mark)
    assert made.returncode == 0, made.stderr
    listed = consensus(pair, "event", "list", "--draft", mark).stdout
    assert f'DraftCreated  {{"draft_id": "{mark}"' in listed
    assert consensus(pair, "event", "list", "--draft", mark, "--type", "RINGPassed").stdout == "no events\n"
    counted = consensus(pair, "event", "stats", "--user", mark, "--since", "1h").stdout
    assert ["all", "1"] in [line.split() for line in counted.splitlines()]
    assert consensus(pair, "metric", "list", "--user", mark).stdout == "no metrics\n"
    assert ["all", "0"] in [
        line.split() for line in consensus(pair, "metric", "stats", "--user", mark).stdout.splitlines()
    ]


def test_a_draft_is_deleted_and_restored(pair: Pair, mark: str) -> None:
    consensus(pair, "draft", "new", "A title", "--user", mark, "--id", mark)
    gone = consensus(pair, "draft", "delete", mark, "--user", mark)
    assert f"draft undelete {mark} --user {mark}" in gone.stderr
    assert consensus(pair, "draft", "show", mark).returncode == 1
    assert consensus(pair, "draft", "undelete", mark, "--user", mark).returncode == 0
    assert consensus(pair, "draft", "show", mark).returncode == 0


def test_a_run_is_found_by_the_beginning_of_its_id(pair: Pair, mark: str) -> None:
    run_id = reviewed(pair, f"We send reminders, {mark}.")
    shown = json.loads(consensus(pair, "show", run_id[:18], "--json").stdout)
    assert shown["runId"] == run_id
    assert run_id in consensus(pair, "runs", "--since", "1h", "--search", mark.upper()).stdout


def test_a_failed_run_is_resumed_to_its_decision(pair: Pair, mark: str) -> None:
    pair.control().script(Rule(step="review_critic", contains=mark, status=401, times=1))
    failed = consensus(pair, "review", f"We send reminders, {mark}.")
    assert failed.returncode == 1
    assert "QUORUM_NOT_MET" in failed.stderr
    assert "critic: LLM_AUTHENTICATION" in failed.stderr
    run_id = failed.stdout.split()[1]
    assert f"consensus resume {run_id}" in failed.stderr
    resumed = consensus(pair, "resume", run_id)
    assert resumed.returncode == 0, resumed.stderr
    assert "confidence" in resumed.stdout


def test_the_synchronous_face_reviews_too(pair: Pair, mark: str) -> None:
    with SyncReviewClient(pair.review_address) as client:
        events = list(client.review(f"We send reminders, {mark}."))
        assert client.get_run(events[0].run_id).last_sequence == len(events)


async def test_a_client_misses_and_repeats_nothing_when_the_service_is_killed_under_it(
    start_pair: Callable[..., Pair], mark: str
) -> None:
    pair = start_pair(persistence={"LEASE_SECONDS": "1"})
    pair.control().script(Rule(step="review_critic", contains=mark, hold=mark, times=1))
    sequences = []
    async with ReviewClient(pair.review_address) as client:
        async for event in client.review(f"We send reminders, {mark}."):
            sequences.append(event.sequence)
            if event.WhichOneof("payload") == "proposal_ready":
                pair.control().wait({"held": 1})
                assert pair.review is not None
                pair.review.kill()
                pair.review = pair.spawn_review("review_again", REVIEW_LISTEN=pair.review_address)
                wait_started(pair.review)
                wait_serving(pair.review_address, REVIEW)
        run = await client.get_run(event.run_id)
    assert sequences == list(range(1, run.last_sequence + 1))
    assert run.take_over_count == 1
    assert run.HasField("decision")
