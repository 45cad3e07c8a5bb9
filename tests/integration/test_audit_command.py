"""`consensus audit` proves the trail on the server, and on an export with every server off."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from persistence_service.audit.checkpoints import new_signing_key
from tests.support.pair import Pair
from tests.support.processes import clean_environment, run_command


def audit(folder: Path, pair: Pair, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = clean_environment(CONSENSUS_PERSISTENCE=pair.persistence_address)
    return run_command("audit", *arguments, environment=environment, folder=folder)


@pytest.fixture
async def exported(start_pair: Callable[..., Pair], tmp_path: Path) -> tuple[Pair, Path]:
    """An export of two runs with a checkpoint after them, and every server off."""
    key = {"AUDIT_SIGNING_KEY": new_signing_key(), "AUDIT_CHECKPOINT_FILE": str(tmp_path / "audit.jsonl")}
    pair = start_pair(persistence=key)
    async with pair.client() as client:
        for number in range(2):
            await client.stream(f"Let customers export their orders, variant {number}.")
    for arguments in (["checkpoint"], ["export", "-o", "export.jsonl"]):
        answer = audit(tmp_path, pair, *arguments)
        assert answer.returncode == 0, answer.stderr
    on_server = audit(tmp_path, pair, "verify")
    assert (on_server.returncode, on_server.stdout.split(":")[0]) == (0, "whole")
    listed = audit(tmp_path, pair, "list", "--type", "run.completed")
    assert listed.stdout.count("run.completed") == 2
    pair.stop()
    return pair, tmp_path / "export.jsonl"


async def test_an_export_is_verified_with_every_server_off(exported: tuple[Pair, Path]) -> None:
    pair, export = exported
    answer = audit(export.parent, pair, "verify", export.name)
    assert answer.stdout == "whole: 2 streams, 48 entries, 1 checkpoint\n"
    assert answer.returncode == 0


async def test_the_first_bad_entry_of_an_export_is_named(exported: tuple[Pair, Path]) -> None:
    pair, export = exported
    lines = [json.loads(line) for line in export.read_text(encoding="utf-8").splitlines()]
    entries = [line["entry"] for line in lines if "entry" in line]
    entries[7]["caller"] = "somebody else"
    export.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    answer = audit(export.parent, pair, "verify", export.name)
    assert answer.returncode == 1
    assert answer.stdout.splitlines()[0] == f"{entries[7]['stream']} entry 8: altered"


async def test_a_tail_cut_off_an_export_is_found_by_checkpoints_kept_elsewhere(
    exported: tuple[Pair, Path],
) -> None:
    pair, export = exported
    lines = [json.loads(line) for line in export.read_text(encoding="utf-8").splitlines()]
    kept = export.parent / "kept.jsonl"
    kept.write_text(json.dumps(lines[-1]) + "\n", encoding="utf-8")
    last = lines[-2]["entry"]
    shortened = lines[:-2]
    head = next(line["head"] for line in lines if "head" in line and line["head"]["stream"] == last["stream"])
    head.update(sequence=last["sequence"] - 1, hash=last["previous_hash"])
    export.write_text("".join(f"{json.dumps(line)}\n" for line in shortened), encoding="utf-8")
    assert audit(export.parent, pair, "verify", export.name).returncode == 0  # nothing shows it by itself
    answer = audit(export.parent, pair, "verify", export.name, "--checkpoints", kept.name)
    assert answer.returncode == 1
    assert answer.stdout.splitlines()[0] == f"{last['stream']} entry {last['sequence']}: cut off"
