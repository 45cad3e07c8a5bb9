"""The example in Node, written from the contract alone, against the real pair."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.leaving_out import leave_out
from tests.support.pair import Pair

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "node"
pytestmark = [pytest.mark.xdist_group("Node"), pytest.mark.timeout(600)]
REMINDERS = (ROOT / "examples" / "ideas" / "appointment-reminders.md").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example with exactly the packages of its lock file."""
    missing = [name for name in ("node", "npm") if shutil.which(name) is None]
    if missing:
        leave_out(f"Node: {' and '.join(missing)} not found")
    copy = tmp_path_factory.mktemp("node") / "example"
    shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns("node_modules"))
    done = subprocess.run(
        ["npm", "ci", "--no-progress"], cwd=copy, check=False, capture_output=True, text=True
    )
    if done.returncode != 0:
        pytest.fail(f"npm ci failed:\n{done.stdout}{done.stderr}")
    return copy


def review(copy: Path, server: str, *arguments: str, key: str = "") -> subprocess.CompletedProcess[str]:
    own = {"CONSENSUS_SERVER": server, "CONSENSUS_PROTOS": str(ROOT / "protos"), "CONSENSUS_KEY": key}
    return subprocess.run(
        ["node", "review.js", *arguments],
        cwd=copy, env=os.environ | own, check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_it_streams_a_review_event_by_event_to_the_decision(installed: Path, pair: Pair, key: str) -> None:
    done = review(installed, pair.review_address, REMINDERS, key=key)
    assert (done.returncode, done.stderr) == (0, "")
    events = [line.split() for line in done.stdout.splitlines() if not line.startswith("  -")]
    assert [int(event[0]) for event in events] == list(range(1, len(events) + 1))
    assert sum(event[1] == "personaReviewReady" for event in events) == 5
    (decision,) = [event for event in events if event[1] == "decisionReady"]
    assert decision[2] in {"APPROVE", "REVISE", "REJECT"}
    assert events[-1][1] == "runCompleted"


def test_it_reads_the_reason_and_the_fields_of_an_error(installed: Path, pair: Pair, key: str) -> None:
    done = review(installed, pair.review_address, "...", key=key)
    assert (done.returncode, done.stdout) == (1, "")
    assert "[INVALID_FIELD]" in done.stderr
    assert "request_id: " in done.stderr
    assert "review.idea: " in done.stderr


def test_without_its_key_it_is_refused(installed: Path, pair: Pair) -> None:
    refused = review(installed, pair.review_address, REMINDERS)
    assert (refused.returncode, "[UNAUTHENTICATED]" in refused.stderr) == (1, True), refused.stderr


def test_it_says_how_it_is_used(installed: Path, pair: Pair) -> None:
    done = review(installed, pair.review_address)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")


def test_its_lock_file_names_no_registry() -> None:
    lock = (EXAMPLE / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in lock
    assert '"integrity"' in lock
