"""How generated stubs are imported, so that a message is found by one search: `run_pb2.Run` everywhere."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "consensus_cli", "consensus_client", "consensus_contract", "consensus_decision", "consensus_rpc",
    "persistence_service", "review_service", "tests",
)  # fmt: skip


def strays(source: str) -> Iterator[str]:
    """Names that come out of a stub's module, and modules under another name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("consensus."):
            for name in node.names:
                if not str(node.module).endswith(".v1") or name.asname is not None:
                    yield f"{node.module}: {name.name} as {name.asname}"


def test_stubs_are_imported_as_modules_under_their_own_names() -> None:
    found = {
        str(path.relative_to(ROOT)): names
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if (names := list(strays(path.read_text(encoding="utf-8"))))
    }

    assert found == {}


def test_a_stray_is_found() -> None:
    assert list(strays("from consensus.v1.run_pb2 import Run")) == ["consensus.v1.run_pb2: Run as None"]
    assert list(strays("from consensus.v1 import run_pb2 as pb")) == ["consensus.v1: run_pb2 as pb"]
