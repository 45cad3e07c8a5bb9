"""An address that is in use ends a service with one line, and not with a traceback."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import clean_environment

SERVICES = ("persistence_service", "review_service", "consensus_door")


@pytest.mark.parametrize(
    ("service", "what"),
    [(service, what) for service in SERVICES for what in ("port", "metrics")],
)
def test_a_taken_port_is_said_in_one_line(service: str, what: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = subprocess.run(
            [sys.executable, "-m", service, "--listen", address if what == "port" else "127.0.0.1:0"],
            cwd=tmp_path,
            env=clean_environment(
                LOG_FORMAT="json",
                DATABASE_URL=f"sqlite:///{tmp_path / 'x.db'}",
                METRICS_LISTEN=address if what == "metrics" else "",
                DOOR_METRICS_LISTEN=address if what == "metrics" else "",
                PERSISTENCE_INTERNAL_LISTEN="127.0.0.1:0",
            ),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    last = json.loads(ended.stderr.splitlines()[-1])
    assert (ended.returncode, last["event"]) == (1, "start_refused")
    doing = "listen" if what == "port" else "serve metrics"
    assert last["reason"] == f"cannot {doing} on {address}: is it in use?"
    assert "Traceback" not in ended.stderr
