"""A real Chromium without a window, told what to do over its own protocol (CDP)."""

import asyncio
import itertools
import json
import re
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-proxy-server", "--no-first-run",
    "--disable-background-networking", "--remote-debugging-port=0",
)  # fmt: skip
_LISTENING = re.compile(r"DevTools listening on ws://([^/]+)/")
_COMPLAINTS = {"Runtime.exceptionThrown", "Log.entryAdded"}
_SECONDS = 60.0
_LOOK_SECONDS = 0.05


@dataclass(slots=True)
class Tab:
    """One tab; `complaints` is what it has said of pages: errors, refused resources, exceptions."""

    socket: aiohttp.ClientWebSocketResponse
    complaints: list[str] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    """What it has asked for, as CDP's `Network.Request`."""
    _ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    @property
    def hosts(self) -> set[str]:
        """Where it has asked for anything; empty text for what a page holds itself."""
        return {urlsplit(each["url"]).netloc for each in self.requests}

    async def say(self, method: str, **parameters: Any) -> Any:
        """A command, and its result."""
        own = next(self._ids)
        await self.socket.send_json({"id": own, "method": method, "params": parameters})
        while True:
            told = json.loads(await self.socket.receive_str(timeout=_SECONDS))
            if told.get("id") == own:
                assert "error" not in told, told
                return told["result"]
            if told["method"] in _COMPLAINTS:
                self.complaints.append(json.dumps(told["params"])[:500])
            elif told["method"] == "Network.requestWillBeSent":
                self.requests.append(told["params"]["request"])

    async def run(self, script: str) -> Any:
        """What a script of the page says; None while one page makes way for the next."""
        told = await self.say("Runtime.evaluate", expression=script, returnByValue=True)
        return told["result"].get("value")

    async def settled(self, script: str) -> Any:
        """What a promise of the page comes to."""
        told = await self.say("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    async def until(self, script: str) -> Any:
        """What it says, once that is true."""
        async with asyncio.timeout(_SECONDS):
            while not (said := await self.run(script)):  # noqa: ASYNC110 - it is another process's state
                await asyncio.sleep(_LOOK_SECONDS)
        return said

    async def open(self, url: str) -> None:
        """Goes there, as if somebody had typed it."""
        await self.say("Page.navigate", url=url)
        await self.until(f"document.readyState == 'complete' && location.href == {json.dumps(url)}")

    async def look(self, pixels: int, scheme: str = "light", height: int = 900) -> None:
        """Makes the window as wide as on a desk, or a phone; its owner likes `light` or `dark`."""
        size = {"width": pixels, "height": height, "deviceScaleFactor": 1}
        await self.say("Emulation.setDeviceMetricsOverride", **size, mobile=False)
        await self.say(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}]
        )


@asynccontextmanager
async def browsing(folder: Path) -> AsyncIterator[Tab]:
    """A tab of a browser of its own, which keeps what it keeps in this folder."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    assert program is not None, f"none of {', '.join(NAMES)} is installed"
    process = await asyncio.create_subprocess_exec(
        program, *_ARGUMENTS, f"--user-data-dir={folder}", "about:blank",
        stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE,
    )  # fmt: skip
    try:
        address = await asyncio.wait_for(_address(process), _SECONDS)
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://{address}/json/list") as answer:
                page = next(each for each in await answer.json() if each["type"] == "page")
            async with session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                tab = Tab(socket)
                for domain in ("Page", "Runtime", "Log", "Network"):
                    await tab.say(f"{domain}.enable")
                yield tab
    finally:
        process.terminate()
        await process.communicate()


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    async for line in process.stderr:
        found = _LISTENING.search(line.decode(errors="replace"))
        if found:
            return found[1]
    raise AssertionError("the browser ended")
