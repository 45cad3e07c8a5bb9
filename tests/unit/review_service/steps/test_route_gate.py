"""Who holds back how long after one call was told to wait."""

from review_service.steps.route_gate import MAX_PAUSE_SECONDS, ODD_PAUSE_SECONDS, RouteGate


def test_a_paused_route_holds_back_its_own_model_only() -> None:
    gate = RouteGate()

    gate.pause("a", 10.0, now=100.0)

    assert gate.seconds_until_open("a", now=104.0) == 6.0
    assert gate.seconds_until_open("b", now=104.0) == 0.0
    assert gate.seconds_until_open("a", now=110.0) == 0.0


def test_a_later_shorter_pause_does_not_open_a_route() -> None:
    gate = RouteGate()

    gate.pause("a", 10.0, now=100.0)
    gate.pause("a", 1.0, now=101.0)

    assert gate.seconds_until_open("a", now=101.0) == 9.0


def test_a_wait_of_a_rate_limit_is_the_whole_routes() -> None:
    gate = RouteGate()

    gate.pause("a", MAX_PAUSE_SECONDS, now=0.0)

    assert gate.seconds_until_open("a", now=0.0) == MAX_PAUSE_SECONDS


def test_a_wait_of_a_day_holds_the_others_back_for_seconds() -> None:
    gate = RouteGate()

    gate.pause("a", 86_400.0, now=0.0)

    assert gate.seconds_until_open("a", now=0.0) == ODD_PAUSE_SECONDS <= 5


def test_a_wait_of_a_day_does_not_shorten_one_of_a_minute() -> None:
    gate = RouteGate()

    gate.pause("a", 60.0, now=0.0)
    gate.pause("a", 86_400.0, now=1.0)

    assert gate.seconds_until_open("a", now=1.0) == 59.0
