"""What `consensus attempts` shows of how a model was asked, and of what that cost."""

from consensus.v1 import attempt_pb2
from consensus_cli.view.lists import attempt_lines


def attempt(**fields: object) -> attempt_pb2.Attempt:
    return attempt_pb2.Attempt(step="expand", attempt_number=1, **fields)  # type: ignore[arg-type]


def test_route_protocol_what_was_left_out_and_the_price_stand_with_a_call() -> None:
    cost = attempt_pb2.Cost(currency="USD", micros=1_234)
    asked = attempt(
        route="local", protocol="chat_completions", dropped_parameters=["temperature", "store"], cost=cost
    )

    lines = attempt_lines([asked, attempt(cost=cost), attempt()])

    assert lines[1].endswith("route local; by chat_completions; without temperature, store; 0.001234 USD")
    assert lines[2].endswith("0.001234 USD")
    assert lines[-1].endswith("0.002468 USD")


def test_nothing_is_said_where_nothing_is_known() -> None:
    *_, line, total = attempt_lines([attempt()])

    assert "USD" not in line + total
    assert "route" not in line
