"""Run every check of `make check`, print one line for each, and what the failed ones said."""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
PYTHON = sys.executable
CODE = [
    "consensus_cli", "consensus_client", "consensus_contract", "consensus_decision", "consensus_documents",
    "consensus_door", "consensus_fitting", "consensus_journal", "consensus_panels", "consensus_report",
    "consensus_rpc", "migrations", "offline_model", "packages", "persistence_service", "review_service",
    "scripts", "tests",
]  # fmt: skip
CHECKS: dict[str, list[str]] = {
    "format": [str(BIN / "ruff"), "format", "--check", "--quiet"],
    "lint": [str(BIN / "ruff"), "check", "--quiet"],
    "types": [str(BIN / "mypy"), "--no-error-summary", *CODE],
    "imports": [str(BIN / "lint-imports"), "--no-logo"],
    "contract: lint": [str(BIN / "buf"), "lint", "protos"],
    "contract: format": [
        str(BIN / "buf"), "format", "protos", "--diff", "--exit-code", "--exclude-path", "protos/buf",
        "--exclude-path", "protos/google",
    ],
    "contract: breaking": [PYTHON, "scripts/check_breaking.py"],
    "stubs": [PYTHON, "scripts/make_stubs.py", "--check"],
    "synchronous clients": [PYTHON, "scripts/make_sync.py", "--check"],
    "generated docs": [PYTHON, "scripts/make_docs.py", "--check"],
    "migrations": [PYTHON, "scripts/check_migrations.py"],
    "lock": [PYTHON, "scripts/make_lock.py", "--check"],
}  # fmt: skip


def passes(name: str, command: list[str]) -> bool:
    begin = time.monotonic()
    done = subprocess.run(
        command, cwd=ROOT, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    verdict = "ok    " if done.returncode == 0 else "FAILED"
    print(f"{verdict} {name:<20} {time.monotonic() - begin:5.1f} s", flush=True)
    if done.returncode != 0:
        print(f"\n{done.stdout}{done.stderr}".rstrip() + "\n", flush=True)
    return done.returncode == 0


def main() -> int:
    failed = [name for name, command in CHECKS.items() if not passes(name, command)]
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
