"""The example of a receiver takes what was signed for it, tells it once, and refuses the rest."""

import threading
from collections.abc import AsyncIterator
from http.server import ThreadingHTTPServer
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from consensus_contract.webhooks import new_secret, secrets_of
from persistence_service.webhooks.receiver import Receiver
from tests.support.webhooks import SECRET

SCRIPT = Path(__file__).parents[3] / "examples" / "python" / "webhook_receiver.py"
BODY = b'{"type":"run.completed","data":{"run_id":"r1","decision":"APPROVE"}}'


@pytest.fixture
async def url(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    spec = spec_from_file_location("webhook_receiver", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    with ThreadingHTTPServer(("127.0.0.1", 0), module.Receiver) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


async def told(url: str, secret: str, body: bytes = BODY) -> str | None:
    """Why it was not taken; None: it was."""
    caller = Receiver(url, secrets_of(secret), timeout_seconds=60.0, max_connections=1)
    try:
        return (await caller.send("r1_9", body)).failure
    finally:
        await caller.close()


async def test_it_is_told_twice_and_tells_once(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await told(url, SECRET) is None
    assert await told(url, SECRET) is None
    assert capsys.readouterr().out.split() == ["run.completed", "r1", "APPROVE"]


async def test_it_refuses_what_is_forged_or_too_large(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await told(url, new_secret()) == "status 401"
    assert await told(url, SECRET, b" " * 65_537) in {
        "status 413",
        "ClientOSError",
        "ServerDisconnectedError",
    }
    assert capsys.readouterr().out == ""
