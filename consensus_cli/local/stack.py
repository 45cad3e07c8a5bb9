"""Both services and, without a key, the offline model: started side by side as processes, on free ports."""

import os
import socket
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from consensus_cli.local.processes import ChildFailed, Children, address_of, reserve_port
from consensus_contract.characters import written_out

REVIEW, PERSISTENCE, MODEL, DOOR = "review service", "persistence service", "offline model", "door"
REVIEW_SERVICE = "consensus.v1.ReviewService"
_READY_SECONDS = 90.0
_HEALTH_POLL_SECONDS = 0.05
# All on this machine's loopback: certificates that the environment or .env names are for elsewhere.
_PLAIN = {
    f"{name}_FILE": ""
    for name in (
        *(
            f"{listen}_{what}"
            for listen in ("REVIEW_LISTEN", "PERSISTENCE_LISTEN", "PERSISTENCE_INTERNAL_LISTEN")
            for what in ("CERTIFICATE", "KEY", "AUTHORITY")
        ),
        *(
            f"{address}_{what}"
            for address in ("PERSISTENCE_ADDRESS", "DOOR_REVIEW_ADDRESS", "DOOR_PERSISTENCE_ADDRESS")
            for what in ("CERTIFICATE", "KEY", "AUTHORITY")
        ),
        *(f"DOOR_LISTEN_{what}" for what in ("CERTIFICATE", "KEY")),
    )
} | {
    f"{address}_NAME": ""
    for address in ("PERSISTENCE_ADDRESS", "DOOR_REVIEW_ADDRESS", "DOOR_PERSISTENCE_ADDRESS")
}
_LOGS_TO_READ = {"LOG_FORMAT": "json", "LOG_LEVEL": "INFO"}
_WAITS_ITSELF = {PERSISTENCE: ", and its database"}
_OFFLINE_KEY = "offline-model"  # it takes any


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where everything listens; `model` is None where the provider named in the settings is asked, `door`
    where none was started."""

    review: str
    persistence: str
    model: str | None
    door: str | None = None

    @property
    def model_url(self) -> str | None:
        """The base of the offline model's API."""
        return None if self.model is None else f"http://{self.model}/v1"

    @property
    def door_url(self) -> str | None:
        """The base of the door's pages."""
        return None if self.door is None else f"http://{self.door}"


class Stack:
    """Starts the processes in `start_…`; stops them in the order door, review, persistence, model.

    With `directory` the processes write their logs there, one file each; the port files stand there always.
    """

    def __init__(
        self,
        directory: Path,
        *,
        quiet: bool,
        is_tied: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._directory = directory
        self._environment = dict(os.environ if environment is None else environment)
        self._quiet = quiet
        self._held = ExitStack()
        self._children = Children(stop_first=(DOOR, REVIEW, PERSISTENCE, MODEL), is_tied=is_tied)
        self._addresses: dict[str, str] = {}
        self._internal_address = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._children.stop()
        self._held.close()

    @property
    def addresses(self) -> Addresses:
        """Where everything listens, once it was started."""
        return Addresses(
            self._addresses[REVIEW],
            self._addresses[PERSISTENCE],
            self._addresses.get(MODEL),
            self._addresses.get(DOOR),
        )

    def start_persistence(
        self, wanted: str | None = None, wanted_internal: str | None = None, **settings: str
    ) -> None:
        """Starts the persistence service; it reads its other settings itself."""
        address = self._address(PERSISTENCE, wanted)
        self._internal_address = wanted_internal or self._free_address()
        listen = {"PERSISTENCE_LISTEN": address, "PERSISTENCE_INTERNAL_LISTEN": self._internal_address}
        self._start(PERSISTENCE, "persistence_service", listen | settings)

    def start_model(self, *more: str) -> None:
        """Starts the offline model, with more arguments of its own."""
        address = self._address(MODEL, None)
        self._start(MODEL, "offline_model", {}, "--listen", address, *more)

    def start_review(self, wanted: str | None = None, **settings: str) -> None:
        """Starts the review service, pointed at what was started before it."""
        address = self._address(REVIEW, wanted)
        own = {"REVIEW_LISTEN": address, "PERSISTENCE_ADDRESS": self._internal_address}
        if MODEL in self._addresses:
            from offline_model import MODEL_NAME  # comes with the services, as what is started does

            own["OPENAI_API_KEY"] = _OFFLINE_KEY
            own["OPENAI_BASE_URL"] = f"http://{self._addresses[MODEL]}/v1"
            own["OPENAI_MODEL"] = MODEL_NAME
        self._start(REVIEW, "review_service", own | settings)

    def start_door(self, wanted: str | None = None, **settings: str) -> None:
        """Starts the door before both services, for this machine alone."""
        address = self._address(DOOR, wanted)
        own = {
            "DOOR_LISTEN": address,
            "DOOR_REVIEW_ADDRESS": self._addresses[REVIEW],
            "DOOR_PERSISTENCE_ADDRESS": self._addresses[PERSISTENCE],
        }
        self._start(DOOR, "consensus_door", own | settings)

    def wait_until_serving(self, tell: Callable[[str], None] = lambda _: None) -> None:
        """Waits until all listen and the review service says that it can work; tells what is waited for.

        Raises:
            ChildFailed: when one of them ends, it takes too long, or, where logs are files, the database
                cannot be reached.
        """
        for name in self._addresses:
            tell(f"the {name}{_WAITS_ITSELF.get(name, '')}")
            self._children.wait_until(partial(self._listens, name), name, _READY_SECONDS)
        address = self._addresses[REVIEW]
        serves = partial(self._serves, address)
        self._children.wait_until(serves, REVIEW, _READY_SECONDS, poll_seconds=_HEALTH_POLL_SECONDS)

    def settings_typos(self) -> list[str]:
        """What the services say of names in `.env`; nothing where their logs are not files."""
        return self._children.said(".env: ")

    def _listens(self, name: str) -> bool:
        self._refuse_lost_database()
        return self._port_file(name).exists()

    def _serves(self, address: str) -> bool:
        from consensus_rpc.process.healthcheck import check  # loaded while the processes start

        self._refuse_lost_database()
        return check(address) == "SERVING"

    def _refuse_lost_database(self) -> None:
        """A service waits for its database; who wants one review is told instead."""
        if self._quiet and (cause := self._children.logged(PERSISTENCE, "database_awaited", "cause")):
            words = " ".join(written_out(cause).split())
            raise ChildFailed(f"cannot reach the database that DATABASE_URL or DB_HOST names: {words}")

    def check(self) -> None:
        """Makes sure that all processes live.

        Raises:
            ChildFailed: when one has ended.
        """
        self._children.check()

    def _address(self, name: str, wanted: str | None) -> str:
        self._addresses[name] = wanted or self._free_address()
        return self._addresses[name]

    def _free_address(self) -> str:
        """A free port of the loopback that is kept free for the process."""
        return address_of(self._hold(reserve_port()))

    def _hold(self, held: socket.socket) -> socket.socket:
        return self._held.enter_context(held)

    def _port_file(self, name: str) -> Path:
        return self._directory / f"{name.replace(' ', '-')}.port"

    def _start(self, name: str, module: str, settings: Mapping[str, str], *arguments: str) -> None:
        log = self._directory / f"{name.replace(' ', '-')}.log" if self._quiet else None
        command = [module, *arguments, "--port-file", str(self._port_file(name))]
        own = _LOGS_TO_READ if self._quiet else {}
        self._children.start(name, command, self._environment | _PLAIN | own | dict(settings), log)
