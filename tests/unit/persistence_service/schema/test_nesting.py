from typing import Any

from consensus.internal.v1 import persistence_service_pb2
from consensus_rpc.server.survey import MAX_LEVELS
from persistence_service.schema.nesting import CUT, readable


def nested(levels: int) -> Any:
    value: Any = {}
    for _ in range(levels - 1):
        value = {"a": value, "b": 1}
    return value


def test_what_is_within_the_bound_stays_as_it_is() -> None:
    assert readable(nested(MAX_LEVELS)) == nested(MAX_LEVELS)


def test_what_is_deeper_is_cut_so_that_an_answer_can_hold_it() -> None:
    answer = persistence_service_pb2.RecordRunResponse()
    answer.attached.run.specification.context.object.update(readable(nested(60)))

    read = persistence_service_pb2.RecordRunResponse.FromString(answer.SerializeToString())

    assert read == answer
    assert CUT in str(read)
