"""What callers were told: events, runs, errors. All of it was acknowledged, and must be found again."""

from collections import defaultdict
from dataclasses import dataclass, field

from consensus.v1 import run_event_pb2


@dataclass(slots=True)
class SeenStream:
    """The sequences that one stream brought, which was asked for those after `after`."""

    run_id: str
    after: int
    sequences: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Witness:
    """Everything that callers of one case were told."""

    events: dict[str, dict[int, bytes]] = field(default_factory=lambda: defaultdict(dict))
    contradictions: list[str] = field(default_factory=list)
    streams: list[SeenStream] = field(default_factory=list)
    started: set[str] = field(default_factory=set)
    """Runs whose start was acknowledged."""
    runs_of_key: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    texts: list[str] = field(default_factory=list)
    """What errors said."""

    def stream(self, after: int = 0) -> SeenStream:
        """A stream that is about to bring events; its run is known with the first one."""
        seen = SeenStream("", after)
        self.streams.append(seen)
        return seen

    def saw(self, stream: SeenStream, event: run_event_pb2.RunEvent, key: str = "") -> None:
        """An event reached a caller."""
        stream.run_id = event.run_id
        stream.sequences.append(event.sequence)
        self.start(event.run_id, key)
        told = event.SerializeToString(deterministic=True)
        before = self.events[event.run_id].setdefault(event.sequence, told)
        if before != told:
            self.contradictions.append(f"{event.run_id} event {event.sequence} was told in two versions")

    def start(self, run_id: str, key: str = "") -> None:
        """A run's start was acknowledged."""
        self.started.add(run_id)
        if key:
            self.runs_of_key[key].add(run_id)
