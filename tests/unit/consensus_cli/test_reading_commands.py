"""The commands that read, change once, and check."""

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from consensus.v1 import run_pb2
from tests.unit.consensus_cli.conftest import Command
from tests.unit.consensus_cli.test_command import is_safe
from tests.unit.consensus_client import samples
from tests.unit.consensus_client.scripted import ScriptedService, serving


async def test_show_prints_the_run_whole_and_safe(command: Command) -> None:
    async with serving(ScriptedService()) as address:
        ended = await command("show", samples.RUN, "--server", address)
    assert ended.code == 0
    for part in ("completed", "Remind patients.", "Patients forget appointments.", "0.8125", "REVISE"):
        assert part in ended.out
    assert is_safe(ended.out)


async def test_show_of_a_failed_run_says_why(command: Command) -> None:
    run = samples.completed_run()
    run.state = run_pb2.RUN_STATE_FAILED
    run.ClearField("decision")
    run.failure.CopyFrom(samples.failure())
    async with serving(ScriptedService(run=run)) as address:
        ended = await command("show", samples.RUN, "--server", address)
    for part in ("QUORUM_NOT_MET in review_critic", "Critic: LLM_TIMEOUT", "finished: Architect"):
        assert part in ended.out


async def test_show_and_runs_say_what_of_the_panel_answered_and_read_the_text(command: Command) -> None:
    run = samples.completed_run()
    run.decision.fresh_weight = 0.2
    run.persona_reviews[2].reused_from_run_id = "r0"
    run.persona_reviews[2].stale_sections.append("proposed_solution")
    async with serving(ScriptedService(run=run)) as address:
        shown = await command("show", samples.RUN, "--server", address)
        listed = await command("runs", "--server", address)
    words = "3 of 5, weight 0.60; Critic failed 14:00:03 LLM_TIMEOUT; fresh weight 0.20"
    assert words in listed.out
    assert f"panel {words}" in shown.out
    assert "carried over from run r0; stale: Solution" in shown.out


@pytest.mark.parametrize("name", ["show", "cancel"])
async def test_json_prints_the_run_as_one_line(command: Command, name: str) -> None:
    async with serving(ScriptedService()) as address:
        ended = await command(name, samples.RUN, "--json", "--server", address)
    assert json.loads(ended.out)["runId"] == samples.RUN
    assert ended.out.count("\n") == 1


async def test_runs_prints_a_page_and_how_to_get_the_next(command: Command) -> None:
    service = ScriptedService()
    arguments = ["--state", "completed", "--decision", "revise", "--min-confidence", "0.5"]
    async with serving(service) as address:
        ended = await command("runs", *arguments, "--created-to", "2026-11-20", "--server", address)
    assert samples.RUN in ended.out
    assert "REVISE" in ended.out
    assert "--page-token page-2" in ended.err
    sent = service.requests[0]
    assert (sent.filter.state, sent.filter.min_confidence) == (run_pb2.RUN_STATE_COMPLETED, 0.5)
    assert sent.filter.create_time_to.ToJsonString() == "2026-11-20T23:59:59.999999Z"


async def test_runs_all_reads_every_page(command: Command) -> None:
    async with serving(ScriptedService()) as address:
        ended = await command("runs", "--all", "--json", "--server", address)
    assert [json.loads(line)["runId"] for line in ended.out.splitlines()] == [samples.RUN] * 2
    assert ended.err == ""


async def test_runs_since_a_span_are_asked_for_from_that_time(command: Command) -> None:
    service = ScriptedService()
    async with serving(service) as address:
        await command("runs", "--since", "7d", "--server", address)
    asked = service.requests[0].filter.create_time_from.ToDatetime(tzinfo=UTC)
    assert timedelta(days=7) <= datetime.now(UTC) - asked < timedelta(days=7, hours=1)


@pytest.mark.parametrize(("words", "count"), [("REMIND patients", 2), ("something else", 0)])
async def test_runs_are_searched_through_all_pages(command: Command, words: str, count: int) -> None:
    async with serving(ScriptedService()) as address:
        ended = await command("runs", "--search", words, "--json", "--server", address)
    assert len(ended.out.splitlines()) == count
    assert ended.err == ""


async def test_a_search_that_finds_more_than_a_page_says_so(command: Command) -> None:
    async with serving(ScriptedService()) as address:
        ended = await command("runs", "--search", "remind", "--page-size", "1", "--server", address)
    assert "more: the same command with --all" in ended.err


async def test_runs_as_csv_hold_nothing_that_a_spreadsheet_computes(command: Command) -> None:
    run = samples.completed_run()
    run.specification.idea = '=HYPERLINK("http://x", "y")'
    async with serving(ScriptedService(run=run)) as address:
        ended = await command("runs", "--csv", "--server", address)
    (row,) = csv.DictReader(ended.out.splitlines())
    assert (row["run"], row["decision"], row["confidence"]) == (samples.RUN, "revise", "0.6269")
    assert (row["created"], row["answered"], row["expected"]) == ("2026-11-20T14:00:00Z", "3", "5")
    assert row["reviewed"] == '\'=HYPERLINK("http://x", "y")'


async def test_attempts_prints_every_call_and_the_sum(command: Command) -> None:
    async with serving(ScriptedService()) as address:
        ended = await command("attempts", samples.RUN, "--raw", "--server", address)
    assert "LLM_INVALID_OUTPUT" in ended.out
    assert "{broken" in ended.out
    assert any(line.split()[:4] == ["total", "2", "100", "50"] for line in ended.out.splitlines())
    assert is_safe(ended.out)


async def test_expand_prints_the_proposal_and_how_to_see_its_cost(command: Command) -> None:
    async with serving(ScriptedService()) as address:
        ended = await command("expand", "An idea.", "--server", address)
    assert "Patients forget appointments." in ended.out
    assert "attempts e1" in ended.err


async def test_annotate_sends_the_note(command: Command) -> None:
    service = ScriptedService()
    async with serving(service) as address:
        await command("annotate", samples.RUN, "A note.", "--server", address)
        await command("annotate", samples.RUN, "--remove", "--server", address)
    assert [request.decision_notes for request in service.requests] == ["A note.", ""]


async def test_personas_and_info_are_listed(command: Command) -> None:
    async with serving(ScriptedService()) as address:
        personas = await command("personas", "--server", address)
        info = await command("info", "--server", address)
    assert "security_guardian" in personas.out
    assert "test-model" in info.out


async def test_doctor_names_what_is_wrong_and_exits_1(command: Command) -> None:
    async with serving(ScriptedService()) as address:
        ended = await command("doctor", "--server", address, "--persistence", "127.0.0.1:1")
    assert ended.code == 1
    lines = ended.out.splitlines()
    assert lines[0].startswith("ok")
    assert "no key" in lines[1]
    assert lines[2].split() >= ["-", "model"]
    assert "not tried: `consensus doctor --model` makes a small call" in lines[2]
    assert "FAILED  persistence service  127.0.0.1:1: Connection refused" in ended.out
    assert lines[-1] == "wrong: model's key, persistence service"


async def test_doctor_asks_the_models_beside_the_services_and_not_in_their_place(command: Command) -> None:
    async with serving(ScriptedService()) as address:
        asked = ("doctor", "--model", "--server", address, "--persistence", "127.0.0.1:1")
        told = await command(*asked)
        as_json = await command(*asked, "--json")
    assert (told.code, as_json.code) == (1, 1)
    assert "FAILED  persistence service  127.0.0.1:1: Connection refused" in told.out
    assert "not tried" not in told.out
    assert told.out.splitlines()[-1] == "wrong: model's key, persistence service, route default"
    found = json.loads(as_json.out)
    assert found["well"] is False
    assert [each["requestedModel"] for each in found["probes"]] == ["test-model"]


async def test_doctor_says_that_the_models_could_not_be_asked(command: Command) -> None:
    ended = await command("doctor", "--model", "--server", "127.0.0.1:1", "--persistence", "127.0.0.1:1")
    assert ended.code == 1
    assert ended.out.splitlines()[-1] == "wrong: review service, model, persistence service"


@pytest.mark.parametrize("form", ["md", "html", "json"])
async def test_report_is_written_to_a_file(command: Command, tmp_path: Path, form: str) -> None:
    target = tmp_path / f"report.{form}"
    async with serving(ScriptedService()) as address:
        ended = await command("report", samples.RUN, "--format", form, "-o", str(target), "--server", address)
    assert (ended.code, ended.out) == (0, "")
    assert samples.RUN in target.read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "begins"), [("x.html", "<!doctype"), ("x.json", "{"), ("x.md", "# ")])
async def test_the_name_of_the_file_says_what_a_report_is_written_in(
    command: Command, tmp_path: Path, name: str, begins: str
) -> None:
    async with serving(ScriptedService()) as address:
        await command("report", samples.RUN, "-o", str(tmp_path / name), "--server", address)
    assert (tmp_path / name).read_text(encoding="utf-8").startswith(begins)


async def test_report_to_a_folder_that_is_not_there_fails_in_a_line(command: Command) -> None:
    async with serving(ScriptedService()) as address:
        ended = await command("report", samples.RUN, "-o", "/no/such/folder/x.md", "--server", address)
    assert ended.code == 1
    assert "cannot write '/no/such/folder/x.md'" in ended.err
