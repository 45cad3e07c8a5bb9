"""The `consensus` command as a process: output, exit codes, and lines that say what to do."""

import asyncio
import json
import os
import pty
import signal
import sys
from pathlib import Path

import pytest
import typer

from consensus.v1 import decision_pb2, errors_pb2, review_service_pb2
from consensus_cli.arguments.inputs import page_address
from consensus_cli.execution import exits
from consensus_cli.execution.session import PERSISTENCE, CommandSession
from consensus_contract.errors import (
    ConsensusError,
    IdempotencyKeyReused,
    LlmAuthentication,
    LlmRequestRejected,
    QuorumNotMet,
    RunNotFound,
    run_failed,
)
from consensus_rpc.errors import InvalidField
from tests.unit.consensus_cli.conftest import Command, environment
from tests.unit.consensus_client import samples
from tests.unit.consensus_client.scripted import ScriptedService, serving

APPROVE = decision_pb2.DECISION_LABEL_APPROVE
REVISE = decision_pb2.DECISION_LABEL_REVISE
REJECT = decision_pb2.DECISION_LABEL_REJECT


def is_safe(shown: str) -> bool:
    """Whether nothing in it is obeyed by a terminal."""
    return all(char.isprintable() or char == "\n" for char in shown)


async def test_review_prints_plain_lines_where_there_is_no_terminal(command: Command) -> None:
    async with serving(ScriptedService()) as address:
        ended = await command("review", "An idea.", "--server", address)
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[0] == f"run {samples.RUN}"
    assert "Critic: attempt 1: LLM_RATE_LIMITED, again in 1.2 s" in lines
    assert "Critic: 0.55 (2 attempts, 0.8 s, 1 concern)" in lines
    assert "SecurityGuardian: 0.00 (1.0 s, 1 blocking, security-critical, 1 concern)" in lines
    assert "REVISE  confidence 0.6269" in lines
    assert "  - SecurityGuardian named 1 security-critical blocking issue." in lines
    assert is_safe(ended.out)


async def test_a_rejection_names_what_blocks_what_it_took_and_what_to_do(command: Command) -> None:
    async with serving(ScriptedService(events=samples.completed_events(REJECT))) as address:
        ended = await command("review", "An idea.", CONSENSUS_SERVER=address)
    *_, heading, blocking, took, revise, _show, _report = ended.out.splitlines()
    assert heading == "What blocks it"
    assert blocking == "  - Numbers are kept in plain text. (SecurityGuardian; security-critical)"
    assert took.startswith("Took 2.4 s, answered by test-model. 2 calls to the model")
    assert revise.endswith(f"consensus revise {samples.RUN} --notes '…'")
    assert ended.out.count("Numbers are kept in plain text.") == 1


async def test_an_approval_names_nothing_to_revise(command: Command) -> None:
    async with serving(ScriptedService(events=samples.completed_events(APPROVE))) as address:
        ended = await command("review", "An idea.", "--server", address)
    assert "consensus revise" not in ended.out


@pytest.mark.parametrize(
    ("label", "code"), [(APPROVE, 0), (REVISE, 10), (REJECT, 11)], ids=["approve", "revise", "reject"]
)
async def test_the_gate_turns_the_decision_into_the_exit_code(
    command: Command, label: decision_pb2.DecisionLabel.ValueType, code: int
) -> None:
    service = ScriptedService(events=samples.completed_events(label))
    async with serving(service) as address:
        ended = await command("review", "An idea.", "--gate", "--server", address)
    assert ended.code == code


async def test_the_gate_goes_by_an_override_and_shows_whose_word_it_is(command: Command) -> None:
    run = samples.completed_run()
    run.effective_override.label, run.effective_override.user = APPROVE, "ann"
    run.effective_override.reason = "it is wanted"
    service = ScriptedService(events=samples.completed_events(REJECT), run=run)
    async with serving(service) as address:
        ended = await command("review", "An idea.", "--gate", "--server", address)
    assert ended.code == 0
    assert "by ann instead of the panel's decision: it is wanted" in ended.out


FRESH = decision_pb2.DECISION_RULE_FRESH_WEIGHT
MISSING = decision_pb2.DECISION_RULE_REQUIRED_PERSONA_MISSING
VETO = decision_pb2.DECISION_RULE_SECURITY_VETO


@pytest.mark.parametrize(
    ("label", "by_confidence", "lowering", "code"),
    [
        (REVISE, "approve", (FRESH,), 12),
        (REVISE, "approve", (MISSING, FRESH), 12),
        (REVISE, "approve", (VETO, FRESH), 10),
        (REVISE, "revise", (FRESH,), 10),
        (REJECT, "reject", (FRESH,), 11),
        (APPROVE, "approve", (), 0),
    ],
)
def test_the_gate_tells_an_approval_that_the_panel_withheld(
    label: decision_pb2.DecisionLabel.ValueType,
    by_confidence: str,
    lowering: tuple[decision_pb2.DecisionRule.ValueType, ...],
    code: int,
) -> None:
    threshold = decision_pb2.FiredRule(
        rule=decision_pb2.DECISION_RULE_CONFIDENCE_THRESHOLD, data={"label": by_confidence}
    )
    rules = [threshold, *(decision_pb2.FiredRule(rule=rule) for rule in lowering)]
    decision = decision_pb2.Decision(label=label, fired_rules=rules)

    assert exits.of_decision(decision, gate=True) == code
    assert exits.of_decision(decision, gate=False) == 0


async def test_a_panel_short_of_its_quorum_is_told_who_by_who_and_gated(command: Command) -> None:
    service = ScriptedService(events=samples.failed_events(), error=QuorumNotMet(run_id=samples.RUN))
    async with serving(service) as address:
        gated = await command("review", "An idea.", "--gate", "--server", address)
        free = await command("review", "An idea.", "--server", address)
    assert (gated.code, free.code) == (12, 1)
    assert "Critic failed 14:00:00 LLM_TIMEOUT" in gated.out


async def test_json_prints_every_event_once_whatever_is_cut(command: Command) -> None:
    service = ScriptedService(cuts=[4])
    async with serving(service) as address:
        ended = await command("review", "An idea.", "--json", CONSENSUS_SERVER=address)
    events = [json.loads(line) for line in ended.out.splitlines()]
    assert [event["sequence"] for event in events] == list(range(1, len(service.events) + 1))
    guardian = next(
        event["personaReviewReady"]["personaReview"]
        for event in events
        if event.get("personaReviewReady", {}).get("personaReview", {}).get("personaId")
        == "security_guardian"
    )
    assert guardian["confidenceScore"] == 0
    assert is_safe(ended.out)


async def test_an_idea_comes_from_a_file_or_from_standard_input(command: Command, tmp_path: Path) -> None:
    (tmp_path / "idea.txt").write_text("Größer.\n", encoding="utf-8")
    service = ScriptedService()
    async with serving(service) as address:
        await command("review", f"@{tmp_path / 'idea.txt'}", "--detach", "--server", address)
        await command("review", "-", "--detach", "--server", address, stdin="Größer.\n")
    assert [request.review.idea for request in service.requests] == ["Größer.\n"] * 2


async def test_options_of_review_reach_the_service(command: Command) -> None:
    service = ScriptedService()
    arguments = [
        "review", "An idea.", "--context", '{"budget": 3}', "--idempotency-key", "k1", "--model", "m",
        "--expand-model", "e", "--review-temperature", "0.25", "--max-retries", "2", "--min-personas", "4",
        "--require", "critic", "--user", "u1", "--on-disconnect", "cancel",
    ]  # fmt: skip
    async with serving(service) as address:
        ended = await command(*arguments, "--server", address)
    assert ended.code == 0
    sent = service.requests[0]
    assert (sent.idempotency_key, sent.on_disconnect) == ("k1", review_service_pb2.ON_DISCONNECT_CANCEL)
    options = sent.review.options
    assert (options.expand_model, options.review_model, options.review_temperature) == ("e", "m", 0.25)
    assert (options.max_retries_per_persona, options.quorum.min_personas) == (2, 4)
    assert sent.review.context.object["budget"] == 3


async def test_a_run_is_linked_to_where_the_page_is(command: Command) -> None:
    async with serving(ScriptedService()) as address:
        by_option = await command("--door", "http://door:8080/", "review", "An idea.", "--server", address)
        door = {"CONSENSUS_DOOR": "https://door/consensus", "CONSENSUS_SERVER": address}
        started = await command("review", "An idea.", "--detach", **door)
        without = await command("review", "An idea.", "--server", address)
    assert f"http://door:8080/runs/{samples.RUN}" in by_option.out.splitlines()
    assert started.err.splitlines()[-1] == f"see it: https://door/consensus/runs/{samples.RUN}"
    assert "/runs/" not in without.out + without.err


@pytest.mark.parametrize(
    "given",
    [
        "door:8080",
        "ftp://door",
        "http://",
        "http://door:x",
        "http://ann:pw@door",
        "http://door?a=b",
        "http://a b",
    ],
)
def test_what_is_no_address_of_a_door_is_refused(given: str) -> None:
    with pytest.raises(typer.BadParameter, match="no address of a door"):
        page_address(given)


async def test_detach_prints_the_run_and_says_how_to_watch_it(command: Command) -> None:
    async with serving(ScriptedService()) as address:
        ended = await command("review", "An idea.", "--detach", "--server", address)
    assert (ended.code, ended.out) == (0, f"run {samples.RUN}\n")
    assert f"watch {samples.RUN} --server {address}" in ended.err


async def test_watch_shows_the_decision_also_from_after_it(command: Command) -> None:
    service = ScriptedService()
    async with serving(service) as address:
        ended = await command("watch", samples.RUN, "--after", "23", "--gate", "--server", address)
    assert ended.code == 10
    assert "REVISE" in ended.out


async def test_resume_goes_on_to_the_end(command: Command) -> None:
    service = ScriptedService()
    async with serving(service) as address:
        ended = await command("resume", samples.RUN, "--server", address)
    assert ended.code == 0
    *asked, first_page, second_page = service.names()
    assert asked == ["ResumeRunRequest", "WatchRunRequest", "GetRunRequest"]
    assert first_page == second_page == "ListAttemptsRequest"  # what it cost


FAILURES: dict[str, tuple[ConsensusError, int, tuple[str, ...]]] = {
    "quorum": (
        QuorumNotMet(
            run_id=samples.RUN, failed_step="review_critic", resumable=True, causes={"critic": "LLM_TIMEOUT"}
        ),
        1,
        ("QUORUM_NOT_MET", "critic: LLM_TIMEOUT", f"resume {samples.RUN}", f"run {samples.RUN}"),
    ),
    "key": (LlmAuthentication(run_id=samples.RUN, resumable=True), 1, ("OPENAI_API_KEY", "resume")),
    "address without /v1": (
        LlmRequestRejected(run_id=samples.RUN, resumable=True, evidence={"cause": "path_not_found"}),
        1,
        ("LLM_REQUEST_REJECTED", "OPENAI_BASE_URL, which may lack its /v1", f"resume {samples.RUN}"),
    ),
    "model that is not there": (
        LlmRequestRejected(run_id=samples.RUN, resumable=True, evidence={"cause": "model_not_found"}),
        1,
        ("LLM_REQUEST_REJECTED", "name a model that the provider has", f"resume {samples.RUN}"),
    ),
    "fault of ours": (
        run_failed(errors_pb2.ERROR_REASON_INTERNAL, run_id=samples.RUN, resumable=True),
        1,
        ("INTERNAL", "the service's log", f"resume {samples.RUN}"),
    ),
    "not found": (RunNotFound(run_id="r1"), 1, ("RUN_NOT_FOUND", "consensus runs")),
    "reused key": (IdempotencyKeyReused(idempotency_key="k"), 1, ("IDEMPOTENCY_KEY_REUSED", "another key")),
    "bad idea": (
        InvalidField(field="review.idea", description="at most 10 sentences, got 11"),
        2,
        ("review.idea: at most 10 sentences, got 11", "INVALID_FIELD"),
    ),
    "idea that is a document": (
        InvalidField(field="review.idea", description="11 were sent; send it as a document: at most 200,000"),
        2,
        ("review.idea: 11 were sent; send it as a document", "--document sends it as one"),
    ),
}


@pytest.mark.parametrize(("error", "code", "said"), FAILURES.values(), ids=FAILURES.keys())
async def test_a_failure_is_two_lines_with_reason_ids_and_advice(
    command: Command, error: ConsensusError, code: int, said: tuple[str, ...]
) -> None:
    service = ScriptedService(events=[], error=error)
    async with serving(service) as address:
        ended = await command("review", "An idea.", "--server", address)
    assert ended.code == code
    assert len(ended.err.splitlines()) == 2
    assert "request " in ended.err
    for part in said:
        assert part in ended.err


async def test_an_unreachable_service_is_named_with_what_to_do(command: Command) -> None:
    ended = await command("runs", "--server", "127.0.0.1:1")
    assert ended.code == 1
    assert "cannot reach 127.0.0.1:1: Connection refused" in ended.err
    assert "consensus doctor --server 127.0.0.1:1" in ended.err
    assert len(ended.err.splitlines()) == 2


async def test_an_unreachable_persistence_service_is_named_with_the_option_that_exists(
    command: Command,
) -> None:
    ended = await command("usage", "--persistence", "127.0.0.1:1")
    assert "consensus doctor --persistence 127.0.0.1:1" in ended.err
    assert "; --persistence names another" in ended.err
    assert "--server" not in ended.err


def test_a_hint_gives_a_command_only_options_that_it_has() -> None:
    session = CommandSession("127.0.0.1:1", PERSISTENCE)
    assert session.command("audit", "list").endswith("audit list --persistence 127.0.0.1:1")
    assert session.command("token", "whoami").endswith("token whoami")
    assert session.command("runs").endswith("consensus runs")
    assert CommandSession("127.0.0.1:1").command("runs").endswith("runs --server 127.0.0.1:1")


async def test_what_was_typed_before_a_command_stands_in_those_that_are_named_next(
    command: Command, tmp_path: Path
) -> None:
    key = tmp_path / "caller.key"
    key.write_text("ck_caller_secret\n")
    async with serving(ScriptedService(events=samples.completed_events(REJECT))) as address:
        given = await command("--key-file", str(key), "review", "An idea.", CONSENSUS_SERVER=address)
        known = await command("review", "An idea.", CONSENSUS_SERVER=address, CONSENSUS_KEY_FILE=str(key))
    assert f"consensus --key-file {key} revise {samples.RUN} --notes" in given.out
    assert f"consensus revise {samples.RUN} --notes" in known.out


async def test_interrupting_says_how_to_watch_the_run_again() -> None:
    service = ScriptedService(hold_after=4)
    async with serving(service) as address:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "consensus_cli", "review", "An idea.", "--server", address,
            env=environment(), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        while not (await process.stdout.readline()).startswith(b"proposal:"):
            pass
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    assert process.returncode == 130
    said, watch, cancel = err.decode().splitlines()
    assert said == "interrupted; the run goes on"
    assert watch.endswith(f"consensus watch {samples.RUN} --after 4 --server {address}")
    assert cancel.endswith(f"consensus cancel {samples.RUN} --server {address}")


async def test_a_terminal_gets_a_line_per_persona_that_ends_with_its_score() -> None:
    async with serving(ScriptedService()) as address:
        shown = await on_terminal("review", "An idea.", "--server", address)
    final = shown.rsplit("\x1b[2K", 1)[1]
    for name, score in [("Architect", "0.90"), ("Critic", "0.55"), ("SecurityGuardian", "0.00")]:
        assert any(name in line and score in line for line in final.splitlines())
    assert "2 attempts" in final
    assert "REVISE" in final
    assert (
        f"consensus revise {samples.RUN} --notes '…' --server" in final
    )  # longer than the terminal, but whole
    assert "\x1b]0;" not in shown
    assert "\u202e" not in shown


async def test_a_terminal_that_can_only_print_gets_lines() -> None:
    async with serving(ScriptedService()) as address:
        shown = await on_terminal("review", "An idea.", "--server", address, TERM="dumb")
    assert "Critic: attempt 1: LLM_RATE_LIMITED" in shown
    assert is_safe(shown.replace("\r\n", "\n"))


async def on_terminal(*arguments: str, **more: str) -> str:
    """What the command writes to a terminal of 100 columns."""
    variables = {"TERM": "xterm-256color", "LINES": "40", "PYTHONUTF8": "1"} | more
    leader, follower = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "consensus_cli", *arguments,
        env=environment(**variables), stdout=follower, stderr=follower,
        stdin=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    os.close(follower)
    shown = asyncio.create_task(asyncio.to_thread(drain, leader))
    await process.wait()
    return await shown


def drain(leader: int) -> str:
    """Everything until the other side closes."""
    parts = []
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:  # EIO: the process closed its terminal
            break
        if not part:
            break
        parts.append(part)
    os.close(leader)
    return b"".join(parts).decode()
