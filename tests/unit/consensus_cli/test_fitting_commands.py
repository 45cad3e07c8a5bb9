"""`policy` and `bench` without a service."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from consensus_cli.app import app
from consensus_fitting.synthetic import Panel, drawn

RUNNER = CliRunner(env={"COLUMNS": "200"})


@pytest.fixture
def votes(tmp_path: Path) -> Path:
    """300 panels of five, as a table of scores."""
    table = drawn(Panel(copying=0.2), 300, seed=1)
    file = tmp_path / "votes.csv"
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["is_good", "critic", "gpt-5.4", "c", "d", "e"])
        for right, scores in zip(table.right_approvals, table.scores, strict=True):
            writer.writerow([int(right), *(int(score * 10) for score in np.nan_to_num(scores))])
    return file


def test_a_policy_is_fitted_told_written_and_fit_to_be_put(votes: Path, tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    told = RUNNER.invoke(
        app, ["policy", "fit", "--votes", str(votes), "--target-error", "0.2", "--cost", "3", "-o", str(file)]
    )
    assert told.exit_code == 0, told.output
    for word in ("effective votes", "temperature", "best single", "constant answer", "over-confidence",
                 "calibration error", "worst misses", "stands alone", "Beside never approving"):  # fmt: skip
        assert word in told.stdout, word

    checked = RUNNER.invoke(app, ["policy", "lint", str(file)])
    assert checked.exit_code == 0, checked.output
    content = json.loads(file.read_text(encoding="utf-8"))
    assert content["provenance"]["labelled_runs"] == 300
    assert content["loss"]["approve"]["reject"] == "3"
    assert set(content["parameters"]["confusions"]) == {"critic", "gpt_5_4", "c", "d", "e"}


def test_fewer_than_30_outcomes_are_refused(votes: Path) -> None:
    lines = votes.read_text(encoding="utf-8").splitlines()[:30]
    votes.write_text("\n".join(lines), encoding="utf-8")

    answer = RUNNER.invoke(app, ["policy", "fit", "--votes", str(votes)])

    assert answer.exit_code == 2
    assert "29 outcomes are too few" in answer.stderr


def test_more_judges_than_a_policy_has_room_for_are_refused_in_a_line(tmp_path: Path) -> None:
    file = tmp_path / "wide.csv"
    rows = [f"{row % 2}," + ",".join(str((row * judge) % 10) for judge in range(51)) for row in range(40)]
    file.write_text(
        "\n".join([",".join(["is_good", *(f"j{n}" for n in range(51))]), *rows]), encoding="utf-8"
    )

    answer = RUNNER.invoke(app, ["policy", "fit", "--votes", str(file)])

    assert answer.exit_code == 2
    assert "at most 50" in answer.stderr


@pytest.mark.parametrize("content", ['{"label_floor": 30, "label_floor": 31}', '{"\\ud800": 1}'])
def test_a_file_that_says_a_thing_twice_or_is_no_text_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "policy.json"
    file.write_text(content, encoding="utf-8")

    answer = RUNNER.invoke(app, ["policy", "lint", str(file)])

    assert answer.exit_code == 2
    assert "no JSON" in answer.stderr


def test_what_is_wrong_with_a_policy_is_said_by_field(tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    file.write_text('{"thresholds": {"approve": "1.5", "revise": "0.6"}}', encoding="utf-8")

    answer = RUNNER.invoke(app, ["policy", "lint", str(file)])

    assert answer.exit_code == 1
    assert "thresholds.approve" in answer.stdout


@pytest.mark.parametrize("content", ["", "[" * 100_000, "\x00", "{'strategy': 1}"])
def test_a_file_that_is_no_json_is_refused_in_a_line(tmp_path: Path, content: str) -> None:
    file = tmp_path / "policy.json"
    file.write_text(content, encoding="utf-8")

    answer = RUNNER.invoke(app, ["policy", "lint", str(file)])

    assert answer.exit_code == 2
    assert "no JSON" in answer.stderr


def test_rules_are_compared_on_a_table_and_the_price_that_nothing_is_worth_is_said(votes: Path) -> None:
    answer = RUNNER.invoke(
        app,
        ["bench", "decisions", "--votes", str(votes), "--labels", "60", "--splits", "2", "--cost", "2",
         "--cost", "1000"],
    )  # fmt: skip
    assert answer.exit_code == 0, answer.output
    cheap, _, dear = answer.stdout.partition("a false approval costs 1000")
    assert "log-odds, tempered" in cheap
    assert "Shown to cost less than never approving" in cheap
    assert "this panel carries too little to approve on at a price of 1000" in dear


@pytest.mark.parametrize("cost", ["0", "-1", "nan", "1e9", "x"])
def test_a_price_that_is_none_is_refused(votes: Path, cost: str) -> None:
    answer = RUNNER.invoke(app, ["bench", "decisions", "--votes", str(votes), f"--cost={cost}"])

    assert answer.exit_code == 2
