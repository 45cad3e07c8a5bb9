"""Who of a panel was asked and what came of it, as far as a run's events tell: a pure fold."""

from google.protobuf.timestamp_pb2 import Timestamp

from consensus.v1 import errors_pb2, run_event_pb2, run_pb2
from consensus_contract.steps import persona_of_step
from consensus_decision.decimals import nearest_double
from consensus_decision.weights import panel_share


class PanelView:
    """The turnout so far. Before `expect` it knows no weight, and only personas that it heard of."""

    def __init__(self) -> None:
        self._personas: dict[str, run_pb2.PersonaTurnout] = {}

    def expect(self, stored: run_pb2.PanelTurnout) -> None:
        """Takes the panel from the run as it is stored; what became of it comes with the events."""
        heard = self._personas
        self._personas = {
            each.persona_id: run_pb2.PersonaTurnout(persona_id=each.persona_id) for each in stored.personas
        } | heard
        for each in stored.personas:
            self._personas[each.persona_id].weight = each.weight

    def take(self, event: run_event_pb2.RunEvent) -> None:
        """Moves on by one event."""
        match event.WhichOneof("payload"):
            case "step_started":
                self._started(event.step_started.step, event.event_time)
            case "step_completed":
                if (persona := self._persona(event.step_completed.step)) is not None:
                    persona.return_time.CopyFrom(event.event_time)
            case "step_failed":
                failed = event.step_failed
                if (persona := self._persona(failed.step)) is not None:
                    persona.fail_time.CopyFrom(event.event_time)
                    persona.reason = failed.failure.reason
            case "run_resumed":
                for persona in self._personas.values():
                    if not persona.HasField("return_time"):
                        _forget(persona, "launch_time")

    def turnout(self) -> run_pb2.PanelTurnout:
        """As it stands."""
        found = list(self._personas.values())
        returned = {each.persona_id for each in found if each.HasField("return_time")}
        return run_pb2.PanelTurnout(
            expected_count=len(found),
            launched_count=sum(each.HasField("launch_time") for each in found),
            returned_count=len(returned),
            failed_count=sum(each.HasField("fail_time") for each in found),
            returned_weight=nearest_double(panel_share(found, returned)),
            personas=found,
        )

    def _started(self, step: str, at: Timestamp) -> None:
        persona = self._persona(step)
        if persona is not None:
            _forget(persona)
            if not persona.HasField("launch_time"):  # else another process goes on with it
                persona.launch_time.CopyFrom(at)

    def _persona(self, step: str) -> run_pb2.PersonaTurnout | None:
        persona_id = persona_of_step(step)
        if persona_id is None:
            return None
        return self._personas.setdefault(persona_id, run_pb2.PersonaTurnout(persona_id=persona_id))


def _forget(persona: run_pb2.PersonaTurnout, *more: str) -> None:
    persona.reason = errors_pb2.ERROR_REASON_UNSPECIFIED
    for name in ("fail_time", *more):
        persona.ClearField(name)  # type: ignore[arg-type]  # the names are those of instants
