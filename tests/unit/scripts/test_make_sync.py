import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The script, with one small asynchronous module."""
    for name in ("scripts/make_sync.py", "pyproject.toml"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, path)
    for kind in ("_async", "_sync"):
        (tmp_path / "consensus_client" / kind).mkdir(parents=True)
    (tmp_path / "consensus_client" / "_async" / "calling.py").write_text(MODULE, encoding="utf-8")
    return tmp_path


MODULE = '''"""An asynchronous caller."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from consensus_client.async_transport import sleep


class AsyncCaller:
    """Use it as `async with`."""

    async def numbers(self, ask: Callable[[], Awaitable[Sequence[int]]]) -> AsyncIterator[int]:
        """Each number."""
        await sleep((await self.begin(ask)).bit_length())
        for number in await ask():
            yield number
'''
MADE = '''# Made by `make sync` from consensus_client/_async/calling.py; never edited.
"""A synchronous caller."""

from collections.abc import Callable, Iterator, Sequence

from consensus_client.sync_transport import sleep


class SyncCaller:
    """Use it as `with`."""

    def numbers(self, ask: Callable[[], Sequence[int]]) -> Iterator[int]:
        """Each number."""
        sleep(self.begin(ask).bit_length())
        yield from ask()
'''


def run(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "scripts/make_sync.py", *arguments],
        cwd=tree, check=False, capture_output=True, text=True,
    )  # fmt: skip


def test_a_synchronous_module_is_the_asynchronous_one_without_asyncio(tree: Path) -> None:
    assert run(tree).returncode == 0
    assert (tree / "consensus_client/_sync/calling.py").read_text(encoding="utf-8") == MADE


@pytest.mark.parametrize("change", ["edited", "orphaned"])
def test_a_module_out_of_step_is_named_and_made_anew(tree: Path, change: str) -> None:
    run(tree)
    assert run(tree, "--check").returncode == 0
    made = tree / "consensus_client/_sync"
    path = made / ("calling.py" if change == "edited" else "other.py")
    path.write_text("print()\n", encoding="utf-8")
    done = run(tree, "--check")
    assert (done.returncode, done.stdout) == (1, f"  _sync/{path.name} is out of step: run `make sync`\n")
    run(tree)
    assert [each.name for each in made.glob("*.py")] == ["calling.py"]


def test_what_is_no_python_is_refused(tree: Path) -> None:
    (tree / "consensus_client/_async/calling.py").write_text("async def (", encoding="utf-8")
    assert run(tree).returncode == 1
    assert not list((tree / "consensus_client/_sync").glob("*.py"))
