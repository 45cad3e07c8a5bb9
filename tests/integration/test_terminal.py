"""What a terminal of a given width shows of the command, as an emulator of one draws what it was sent."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from dataclasses import dataclass

import pyte
import pytest

from offline_model.script import Rule
from tests.support.pair import Pair
from tests.support.processes import clean_environment

WIDTHS = (60, 80, 120)
HEIGHT = 60
SECONDS = 60
PERSONAS = ("Architect", "Critic", "Optimist", "SecurityGuardian", "UserAdvocate")
ROW = re.compile(rf"^[✓!] ({'|'.join(PERSONAS)}) +(\d\.\d\d)\b", re.MULTILINE)
ESCAPE = "\x1b"
pytestmark = pytest.mark.parametrize("pair", ["sqlite"], indirect=True)


@dataclass(frozen=True, slots=True)
class Shown:
    """What was sent to a terminal, what it shows of it at last, and what it showed meanwhile."""

    sent: str
    screen: str
    screens: list[str]


def on_terminal(pair: Pair, width: int, *arguments: str, term: str = "xterm-256color") -> Shown:
    """Run a command on a terminal of so many columns, to its end."""
    environment = clean_environment(
        CONSENSUS_SERVER=pair.review_address, CONSENSUS_PERSISTENCE=pair.persistence_address,
        PYTHONUTF8="1", TERM=term,
    )  # fmt: skip
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, width, 0, 0))
    with subprocess.Popen(
        [sys.executable, "-m", "consensus_cli", *arguments], env=environment,
        stdin=subprocess.DEVNULL, stdout=follower, stderr=follower,
    ) as process:  # fmt: skip
        try:
            os.close(follower)
            shown = emulated(leader, width)
            assert process.wait(SECONDS) == 0, shown.screen
        finally:
            process.kill()  # else it would be waited for, however long it writes to what nobody reads
    return shown


def emulated(leader: int, width: int) -> Shown:
    screen = pyte.Screen(width, HEIGHT)
    stream, sent, screens = pyte.ByteStream(screen), b"", [""]
    while part := received(leader):
        sent += part
        stream.feed(part)
        screens.append("\n".join(line.rstrip() for line in screen.display))
    os.close(leader)
    return Shown(sent.decode(), screens[-1], screens)


def received(leader: int) -> bytes:
    try:
        return os.read(leader, 65536)
    except OSError:  # EIO: the process closed its terminal
        return b""


@pytest.mark.parametrize("width", WIDTHS)
async def test_a_review_fills_in_its_place_with_each_score_whole(pair: Pair, mark: str, width: int) -> None:
    async with pair.client() as client:
        await client.model.script(Rule(contains=mark, delay_seconds=0.4))
    shown = on_terminal(pair, width, "review", f"Nurses hand over a shift from one page, {mark}.")
    assert {name for name, _ in ROW.findall(shown.screen)} == set(PERSONAS)
    for screen in shown.screens:
        rows = [name for name, _ in ROW.findall(screen)]
        assert len(rows) == len(set(rows)), f"drawn beside what was drawn before:\n{screen}"
    assert len({len(ROW.findall(screen)) for screen in shown.screens}) > 1, "nothing was seen to fill"
    assert shown.screen.count("panel 5 of 5") == 1
    assert "confidence" in shown.screen


@pytest.mark.parametrize("width", WIDTHS)
def test_a_list_of_runs_has_a_line_for_each_run(pair: Pair, mark: str, width: int) -> None:
    idea = f"Wards share one list of beds, and each sees at once which of them is free, {mark}."
    for _ in range(2):
        on_terminal(pair, 120, "review", idea, "--user", mark)
    heading, *rows = on_terminal(pair, width, "runs", "--user", mark).screen.strip().splitlines()
    assert heading.split()[0] == "run"
    assert len(rows) == 2


def test_a_terminal_that_knows_no_more_is_sent_lines(pair: Pair, mark: str) -> None:
    shown = on_terminal(pair, 80, "review", f"Wards share one list of beds, {mark}.", term="dumb")
    assert ESCAPE not in shown.sent
    assert [name for name in PERSONAS if name not in shown.sent] == []
