"""Make the synchronous clients in consensus_client/_sync from the asynchronous ones in _async.

With `--check` nothing is written: what is there is compared. What the two kinds do differently stands in
`async_transport.py` and `sync_transport.py`, written by hand; all else differs by these words alone.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE, MADE = ROOT / "consensus_client" / "_async", ROOT / "consensus_client" / "_sync"
RUFF = Path(sys.executable).parent / "ruff"
HEAD = "# Made by `make sync` from consensus_client/_async/{name}; never edited.\n"
RULES = ["--unsafe-fixes", "--select", "I,F401,UP028,C416"]  # what the words leave behind
WORDS = [
    (r"\(await ([\w.]+\([^()]*\))\)", r"\1"),
    (r"\bawait ", ""),
    (r"\basync (def|for|with)\b", r"\1"),
    (r"`async with`", "`with`"),
    (r"\bAwaitable\[((?:[^\[\]]|\[[^\[\]]*\])+)\]", r"\1"),
    (r"\bAsync(Generator|Iterator)\b", r"\1"),
    (r"\bAsync(\w)", r"Sync\1"),
    (
        r"\b(Access|Audit|Decision|Draft|Event|Identity|Metric|Panel|Policy|Review|Usage)Client\b",
        r"Sync\1Client",
    ),
    (r"\b__a(enter|exit)__\b", r"__\1__"),
    (r"\baclosing\b", "closing"),
    (r"\basync_transport\b", "sync_transport"),
    (r"\b_async\b", "_sync"),
    (r"\b(A|a)n asynchronous\b", r"\1 synchronous"),
    (r"\basynchronous\b", "synchronous"),
]


def synchronous(name: str, text: str) -> str:
    """Return the same module without asyncio, as ruff would write it.

    Raises:
        SystemExit: if what comes out is no Python.
    """
    for pattern, replacement in WORDS:
        text = re.sub(pattern, replacement, text)
    path = str(MADE / name)
    tidied = ruff("check", "--fix-only", *RULES, "--stdin-filename", path, "-", text=text)
    return HEAD.format(name=name) + ruff("format", "--stdin-filename", path, "-", text=tidied)


def ruff(*arguments: str, text: str) -> str:
    done = subprocess.run(
        [str(RUFF), arguments[0], "--quiet", *arguments[1:]],
        cwd=ROOT, input=text, check=False, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode != 0:
        raise SystemExit(f"{arguments[-2]}: {done.stderr}")
    return done.stdout


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only; 1 if a module is out of step")
    check = parser.parse_args().check
    wanted = {path.name: synchronous(path.name, path.read_text("utf-8")) for path in SOURCE.glob("*.py")}
    present = {path.name: path.read_text("utf-8") for path in MADE.glob("*.py")}
    stale = sorted(name for name in wanted | present if wanted.get(name) != present.get(name))
    for name in stale:
        print(f"  {MADE.name}/{name} {'is out of step: run `make sync`' if check else 'made'}")
        if not check and name in wanted:
            (MADE / name).write_text(wanted[name], "utf-8")
        elif not check:
            (MADE / name).unlink()
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
