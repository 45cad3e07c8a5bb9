"""One review from nothing: what it starts, says, and never leaves behind."""

import subprocess
import sys
from pathlib import Path

from tests.support.launching import SECURITY_RISK, WAIT_SECONDS, Launcher, are_gone, children_of


def demo(launcher: Launcher, *arguments: str, **settings: str) -> subprocess.Popen[str]:
    return launcher.start(sys.executable, "-m", "consensus_cli.demo", *arguments, **settings)


def test_one_review_runs_from_nothing_and_leaves_nothing_running(launcher: Launcher, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MAX_RUNS_IN_FLIGTH=3\n", encoding="utf-8")
    process = demo(launcher, "--idea", SECURITY_RISK)
    children = children_of(process, 3)
    out, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 0
    assert "no OPENAI_API_KEY: the offline model answers, by rules" in err
    assert "MAX_RUNS_IN_FLIGTH" in err
    assert "MAX_RUNS_IN_FLIGHT" in err
    assert "REJECT" in out
    assert "security-critical" in out
    assert are_gone(children)
    assert (tmp_path / "data" / "consensus.db").exists()
    assert not list(tmp_path.glob("consensus-*"))


def test_the_idea_comes_from_the_environment_too(launcher: Launcher) -> None:
    out, _ = (process := demo(launcher, IDEA="-5 degrees: we warn of frost.")).communicate(
        timeout=WAIT_SECONDS
    )
    assert process.returncode == 0
    assert "confidence" in out


def test_no_idea_is_wrong_usage(launcher: Launcher) -> None:
    process = demo(launcher, "--idea", " ")
    _, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 2
    assert 'make review IDEA="…"' in err


def test_a_service_that_cannot_start_is_named_with_its_log(launcher: Launcher, tmp_path: Path) -> None:
    process = demo(launcher, "--idea", "An idea.", DATABASE_URL="mysql://nowhere/x")
    _, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 1
    assert "persistence service ended with exit code 2" in err
    assert "DATABASE_URL" in err
    assert "Traceback" not in err
    (directory,) = tmp_path.glob("consensus-*")
    assert str(directory / "persistence-service.log") in err


def test_a_database_that_is_not_there_is_said_in_one_line(launcher: Launcher) -> None:
    process = demo(launcher, "--idea", "An idea.", DATABASE_URL="postgresql://nobody:secret@127.0.0.1:1/x")
    _, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 1
    _, said = err.splitlines()  # the first says which model answers
    assert said.startswith("error: cannot reach the database that DATABASE_URL or DB_HOST names: ")
    assert "port 1 failed: Connection refused" in said
    assert "secret" not in err


def test_a_folder_that_cannot_be_written_is_said_in_one_line(launcher: Launcher, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    process = demo(launcher, "--idea", "An idea.", DATABASE_URL=f"sqlite:///{tmp_path}/file/deeper/x.db")
    _, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 1
    _, said = err.splitlines()
    where = f"{tmp_path}/file/deeper/x.db: Not a directory"
    assert said == (
        f"error: persistence service: cannot write the database's file {where}. DATABASE_URL names another."
    )
