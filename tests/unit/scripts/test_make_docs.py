import os
import shutil
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

ROOT = Path(__file__).resolve().parents[3]
BEGIN = "<!-- settings: made by `make docs` from the code, never edited -->"
END = "<!-- end of settings -->"
PAGES = ("docs/errors.md", "docs/metrics.md", "README.md", ".env.example", "deploy/citus/distribute.sql")
CONFIG = """
from pydantic import Field, SecretStr
from consensus_rpc.process.settings import Settings

class {name}(Settings):
    {shared}: int = Field(3, ge=1, le=10, description="Read by both | alike.")
    {own}: SecretStr | None = Field(None, description="Read by one.")
"""
COUNTED = """
from prometheus_client import Counter, Gauge

HORSES = Counter("horses", "Horses.", ["colour"])
STABLES = Gauge("stables", "Stables, where there are any.", registry=None)
"""
OF_DOOR = """
from prometheus_client import Counter

class DoorMetrics:
    def __init__(self):
        Counter("knocks", "Knocks.")
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The contract and the script, with small services, and a small door, in place of the real ones."""
    for folder in ("protos", "scripts"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for service, name, shared, own in (
        ("review_service", "ReviewSettings", "shared", "model_key"),
        ("persistence_service", "PersistenceSettings", "shared", "db_password"),
        ("consensus_door", "DoorSettings", "door_calls", "door_key"),
    ):
        (tmp_path / service).mkdir()
        (tmp_path / service / "__init__.py").touch()
        config = CONFIG.format(name=name, shared=shared, own=own)
        (tmp_path / service / "config.py").write_text(config, encoding="utf-8")
    (tmp_path / "review_service" / "__main__.py").touch()
    (tmp_path / "persistence_service" / "serving.py").write_text(COUNTED, encoding="utf-8")
    (tmp_path / "consensus_door" / "metrics.py").write_text(OF_DOOR, encoding="utf-8")
    tables = 'WHOLE_ON_EACH_SERVER, DISTRIBUTED_TABLES = {"breeds"}, {"horses", "runs", "drafts"}\n'
    (tmp_path / "persistence_service" / "tables.py").write_text(tables, encoding="utf-8")
    (tmp_path / "README.md").write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    return tmp_path


def run(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "scripts/make_docs.py", *arguments],
        cwd=tree, check=False, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(tree)},
    )  # fmt: skip


def made(tree: Path, page: str) -> str:
    done = run(tree)
    assert done.returncode == 0, done.stderr
    return (tree / page).read_text(encoding="utf-8")


def test_every_reason_has_a_row_with_its_status_code(tree: Path) -> None:
    rows = [line.split(" | ") for line in made(tree, "docs/errors.md").splitlines() if line.startswith("| `")]
    contract = (ROOT / "protos/consensus/v1/errors.proto").read_text(encoding="utf-8")
    assert len(rows) == contract.count("  ERROR_REASON_") - 1
    assert {row[1] for row in rows} <= {code.name for code in grpc.StatusCode}
    assert ["| `RUN_NOT_FOUND`", "NOT_FOUND"] in [row[:2] for row in rows]


def test_a_reason_without_a_status_code_is_refused(tree: Path) -> None:
    path = tree / "protos/consensus/v1/errors.proto"
    text = path.read_text(encoding="utf-8").replace("// UNAUTHENTICATED: no", "// No")
    path.write_text(text, encoding="utf-8")
    assert "the comment of UNAUTHENTICATED must begin with its status code" in run(tree).stderr


def test_every_metric_has_a_row_with_its_labels_and_who_shows_it(tree: Path) -> None:
    lines = made(tree, "docs/metrics.md").splitlines()
    assert "| `horses_total` | counter | `colour` | persistence | Horses. |" in lines
    assert "| `stables` | gauge |  | persistence | Stables, where there are any. |" in lines
    assert "| `knocks_total` | counter |  | door | Knocks. |" in lines
    assert any(line.startswith("| `grpc_server_handled_total` | counter |") for line in lines)


def test_the_settings_stand_between_their_marks_and_nothing_else_changes(tree: Path) -> None:
    lines = made(tree, "README.md").splitlines()
    assert (lines[0], lines[-1]) == ("before", "after")
    rows = [line for line in lines if line.startswith("| `")]
    assert [row.split(" | ")[:3] for row in rows] == [
        ["| `SHARED`", "both", "`3`"],
        ["| `MODEL_KEY`", "review", ""],
        ["| `DB_PASSWORD`", "persistence", ""],
        ["| `DOOR_CALLS`", "door", "`3`"],
        ["| `DOOR_KEY`", "door", ""],
    ]
    assert "Read by both \\| alike." in rows[0]


def test_a_readme_without_marks_is_refused(tree: Path) -> None:
    (tree / "README.md").write_text("nothing\n", encoding="utf-8")
    assert BEGIN in run(tree).stderr


def test_the_example_sets_nothing(tree: Path) -> None:
    lines = made(tree, ".env.example").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []
    assert "#SHARED=3" in lines


@pytest.mark.parametrize("page", PAGES)
def test_a_page_out_of_step_is_named(tree: Path, page: str) -> None:
    made(tree, page)
    assert run(tree, "--check").returncode == 0
    path = tree / page
    path.write_text(
        path.read_text(encoding="utf-8").replace("SHARED", "S").replace("reason", "r").replace("horses", "h"),
        encoding="utf-8",
    )
    done = run(tree, "--check")
    assert (done.returncode, done.stdout) == (1, f"  {page} is out of step: run `make docs`\n")
