"""A door before a pair, in a process of its own."""

from dataclasses import dataclass
from pathlib import Path

from tests.support.pair import Pair
from tests.support.processes import Process, clean_environment, start_process, wait_started


@dataclass(slots=True)
class Door:
    """A running door, and the pair behind it."""

    pair: Pair
    process: Process
    address: str

    @property
    def url(self) -> str:
        return f"http://{self.address}"


def start_door(pair: Pair, folder: Path, name: str = "consensus_door", **settings: str) -> Door:
    """Starts one and waits until it listens; whoever starts it stops its process."""
    environment = clean_environment(
        **{
            "DOOR_LISTEN": "127.0.0.1:0",
            "DOOR_REVIEW_ADDRESS": pair.review_address,
            "DOOR_PERSISTENCE_ADDRESS": pair.persistence_address,
            "LOG_FORMAT": "json",
        }
        | settings
    )
    process = start_process("consensus_door", folder, environment, name=name)
    return Door(pair, process, wait_started(process))
