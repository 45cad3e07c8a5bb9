"""What is installed from both packages, by somebody who has nothing else of this project."""

import json
import signal
import subprocess
import tarfile
import zipfile
from email import message_from_bytes
from importlib.metadata import version
from pathlib import Path

import pytest

from review_service import VERSION
from tests.packages.conftest import UV, Environment, Install, run
from tests.support.launching import (
    SECURITY_RISK,
    WAIT_SECONDS,
    Launcher,
    are_gone,
    children_of,
    free_addresses,
    wait_for,
)
from tests.support.pair import running_pair

# All that the client brings, with what each of them needs: it grows knowingly.
OF_THE_CLIENT = {
    "annotated-doc", "annotated-types", "cffi", "click", "consensus-client", "cryptography",
    "googleapis-common-protos", "grpcio", "grpcio-health-checking", "markdown-it-py", "mdurl",
    "opentelemetry-api", "orjson", "protobuf", "pycparser", "pydantic", "pydantic-core", "pygments",
    "rfc8785", "rich", "shellingham", "typer", "typing-extensions", "typing-inspection", "uuid-utils",
}  # fmt: skip
LIBRARY = """
import sys
import consensus_cli.app
from consensus_client import SyncReviewClient

with SyncReviewClient(sys.argv[1]) as client:
    print([event for event in client.review("An idea.")][-1].WhichOneof("payload"))
"""

pytestmark = pytest.mark.timeout(600)  # environments are made, and compiled, however slow the machine is


def asked(environment: Environment, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """The command there, in a world with nothing else."""
    command = [environment.command, *arguments]
    return subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        env={"PATH": "", **settings},
    )


def test_the_client_alone_reviews_and_brings_no_library_of_a_server(install: Install, tmp_path: Path) -> None:
    environment = install("consensus_client")
    listed = json.loads(run(UV, "pip", "list", "--format=json", "--python", environment.python))
    assert {each["name"] for each in listed} == OF_THE_CLIENT

    assert asked(environment, "--version").stdout == f"consensus {VERSION}\n"
    with running_pair(tmp_path, f"sqlite:///{tmp_path}/consensus.db") as pair:
        server = pair.review_address
        done = asked(environment, "review", "--gate", SECURITY_RISK, CONSENSUS_SERVER=server)
        assert done.returncode == 11, done.stderr
        assert "REJECT" in done.stdout
        assert run(environment.python, "-c", LIBRARY, server) == "run_completed\n"
    done = asked(environment, "up")
    told = "error: the services are not installed here: pip install consensus-engine\n"
    assert (done.returncode, done.stderr) == (2, told)


def test_with_the_servers_up_starts_them_and_leaves_nothing_running(install: Install, tmp_path: Path) -> None:
    environment = install("consensus_client", "consensus_engine")
    versions = f"consensus {VERSION}\nconsensus-engine {VERSION}\n"
    assert asked(environment, "--version").stdout == versions
    with Launcher(tmp_path) as launcher, free_addresses() as listens:
        process = launcher.start(environment.command, "up", **listens)
        wait_for(process, "no page: pip install 'consensus-engine[door]'")
        wait_for(process, "Ctrl-C stops everything.")
        children = children_of(process, 3)
        server = listens["REVIEW_LISTEN"]
        done = asked(environment, "review", "--gate", SECURITY_RISK, CONSENSUS_SERVER=server)
        assert done.returncode == 11, done.stderr
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=WAIT_SECONDS)
        assert (process.returncode, "Traceback" in err) == (0, False)
        assert are_gone(children)


def test_no_file_belongs_to_both_packages_and_each_says_what_it_is(wheels: Path) -> None:
    held: list[set[str]] = []
    for package in ("consensus_client", "consensus_engine"):
        with zipfile.ZipFile(wheels / f"{package}-{VERSION}-py3-none-any.whl") as archive:
            held.append(set(archive.namelist()))
            about = message_from_bytes(archive.read(f"{package}-{VERSION}.dist-info/METADATA"))
        assert f"{package}-{VERSION}.dist-info/licenses/LICENSE" in held[-1]
        assert about["License-Expression"] == "Apache-2.0"
        assert about["Description-Content-Type"] == "text/markdown"
        with tarfile.open(wheels / f"{package}-{VERSION}.tar.gz") as sources:
            assert not [name for name in sources.getnames() if "/tests/" in name or "/data/" in name]
    client, engine = held
    assert client & engine == set()
    assert {"consensus_client/py.typed", "consensus/py.typed"} <= client
    assert version("consensus-client") == version("consensus-engine") == VERSION
