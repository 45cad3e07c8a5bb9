"""Where the reader of a stream stands, so that another stream can bring the rest: pure."""

from collections.abc import Iterator, Mapping
from typing import Protocol, TypeAlias, TypeVar

from consensus.v1 import draft_pb2, draft_service_pb2, review_service_pb2, run_event_pb2, run_pb2
from consensus_client.reconnecting import cut

RunMessage: TypeAlias = review_service_pb2.StreamReviewResponse | review_service_pb2.WatchRunResponse

M_contra = TypeVar("M_contra", contravariant=True)
T_co = TypeVar("T_co", covariant=True)

_ENDS = frozenset({"run_completed", "run_failed", "run_cancelled"})
_BESIDE_THE_WAY = frozenset({"run_deleted", "run_undeleted", "decision_annotated"})


class Cursor(Protocol[M_contra, T_co]):
    """Takes what a stream brings each once, whatever the streams repeat."""

    @property
    def followed(self) -> Mapping[str, str]:
        """What is followed, as errors name it."""

    def take(self, message: M_contra) -> Iterator[T_co]:
        """What is new in the message, in order; nothing for heartbeats and for what was taken before.

        Raises:
            ServerUnreachable: when something is missing before the next, so that the reader asks again.
        """

    def check_end(self) -> None:
        """Accepts that a stream ended without an error.

        Raises:
            ServerUnreachable: when it must go on, so that the reader asks again.
        """


class RunCursor:
    """What a reader has of a run, in order. `run_id` is None until the first event."""

    def __init__(self, run_id: str | None = None, after_sequence: int = 0) -> None:
        """`after_sequence` is the last event that the reader has."""
        self.run_id = run_id
        self.after_sequence = after_sequence
        self._last_kind: str | None = None

    @property
    def followed(self) -> Mapping[str, str]:
        """The run, once it is known."""
        return {} if self.run_id is None else {"run_id": self.run_id}

    def take(self, message: RunMessage) -> Iterator[run_event_pb2.RunEvent]:
        """The message's events that are new, in order; none for a heartbeat.

        Raises:
            ServerUnreachable: when an event is missing before the next one, so that the reader asks again.
        """
        for event in message.events:
            if event.sequence <= self.after_sequence:
                continue
            if event.sequence != self.after_sequence + 1:
                raise cut(f"event {self.after_sequence + 1} is missing before event {event.sequence}")
            self._note(event)
            yield event

    def _note(self, event: run_event_pb2.RunEvent) -> None:
        self.run_id = event.run_id
        self.after_sequence = event.sequence
        kind = event.WhichOneof("payload")
        if kind not in _BESIDE_THE_WAY:
            self._last_kind = kind or "unknown"

    def check_end(self) -> None:
        """Accepts that a stream ended without an error.

        Raises:
            ServerUnreachable: when the run goes on as far as the reader knows, so that it asks again.
        """
        if self._last_kind is not None and self._last_kind not in _ENDS:
            raise cut("the stream ended before the run")
        if self.run_id is None:
            raise cut("the stream ended before its first event")

    def watch_request(self) -> review_service_pb2.WatchRunRequest | None:
        """The request for the rest; None before the first event, when only the start can be sent again."""
        if self.run_id is None:
            return None
        return review_service_pb2.WatchRunRequest(run_id=self.run_id, after_sequence=self.after_sequence)


class DraftCursor:
    """What a reader has of a draft; the stream ends when the draft is deleted, and is believed."""

    def __init__(self, draft_id: str, after_sequence: int) -> None:
        """`after_sequence` is the last event that the reader has."""
        self.followed = {"draft_id": draft_id}
        self._draft_id = draft_id
        self._after_sequence = after_sequence

    def take(self, message: draft_service_pb2.WatchDraftResponse) -> Iterator[draft_pb2.DraftEvent]:
        """The message's events that are new, in order; none for a heartbeat."""
        for event in message.events:
            if event.sequence > self._after_sequence:
                self._after_sequence = event.sequence
                yield event

    def check_end(self) -> None:
        """Any end that is no error is the draft's."""

    def request(self) -> draft_service_pb2.WatchDraftRequest:
        """The request for the rest."""
        return draft_service_pb2.WatchDraftRequest(
            draft_id=self._draft_id, after_sequence=self._after_sequence
        )


class ExportCursor:
    """What a reader has of an export: each run carries the token of what comes after it."""

    def __init__(self, wanted: run_pb2.RunFilter) -> None:
        self.followed: Mapping[str, str] = {}
        self._wanted = wanted
        self._page_token = ""

    def take(self, message: review_service_pb2.ExportRunsResponse) -> Iterator[run_pb2.Run]:
        self._page_token = message.page_token
        yield message.run

    def check_end(self) -> None:
        """Any end that is no error is the last run's."""

    def request(self) -> review_service_pb2.ExportRunsRequest:
        """The request for the rest."""
        return review_service_pb2.ExportRunsRequest(filter=self._wanted, page_token=self._page_token)
