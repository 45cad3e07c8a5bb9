"""What calls cost: whole millionths, rounded up, and never less than what they can cost at most."""

from decimal import ROUND_CEILING, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.v1 import attempt_pb2, panel_pb2
from review_service.model.model_call import OutputFormat
from review_service.model.routes import Price, Route, Routes
from review_service.steps.most_cost import prompt_bytes, set_most_cost, set_most_of_all

FORMAT = OutputFormat("answer", {"type": "object"})
PRICE = Price("USD", input=1_250_000, output=10_000_000, cached_input=125_000, cache_write=1_562_500)
amounts = st.integers(0, 10**12)
tokens = st.integers(0, 2**31 - 1)


def usage(**fields: int) -> panel_pb2.TokenUsage:
    return panel_pb2.TokenUsage(**fields)


@pytest.mark.parametrize(
    ("used", "micros"),
    [
        (usage(), 0),
        (usage(input_tokens=1), 2),  # 1.25
        (usage(input_tokens=1_000_000), 1_250_000),
        (usage(input_tokens=100, cached_tokens=100), 13),  # 12.5
        (usage(input_tokens=100, cached_tokens=40, cache_write_tokens=60), 99),  # 5 + 93.75
        (usage(input_tokens=10, cached_tokens=500), 75),  # counted beside one another: 12.5 + 62.5
        (usage(output_tokens=3, reasoning_tokens=2), 30),
    ],
    ids=["nothing", "rounded up", "a million", "cached", "written", "more cached than in", "reasoning"],
)
def test_a_cost_is_in_whole_millionths_rounded_up(used: panel_pb2.TokenUsage, micros: int) -> None:
    assert PRICE.cost(used) == attempt_pb2.Cost(currency="USD", micros=micros)


@given(amounts, amounts, amounts, amounts, tokens, tokens, tokens, tokens)
def test_a_cost_is_that_of_exact_decimals_and_at_most_the_most(
    into: int, out: int, cached: int, write: int, a: int, b: int, c: int, d: int
) -> None:
    price = Price("USD", into, out, cached, write)
    used = usage(input_tokens=a, cached_tokens=b, cache_write_tokens=c, output_tokens=d)
    plain, prompt = (a - b - c, a) if b + c <= a else (a, a + b + c)
    exact = (Decimal(plain) * into + Decimal(b) * cached + Decimal(c) * write + Decimal(d) * out) / 1_000_000
    assert price.cost(used).micros == int(exact.to_integral_value(ROUND_CEILING))
    assert price.cost(used).micros <= price.most(prompt, d).micros < 2**63


def test_other_amounts_have_another_version() -> None:
    other = Price("USD", 1_250_000, 10_000_000, 125_000, 1_562_501)
    euros = Price("EUR", 1_250_000, 10_000_000, 125_000, 1_562_500)
    assert len({PRICE.version, other.version, euros.version}) == 3
    assert len(PRICE.version) == 16


def test_a_prompt_has_no_more_tokens_than_bytes() -> None:
    assert prompt_bytes(["€"], FORMAT) - prompt_bytes([""], FORMAT) == 3
    assert prompt_bytes([""], FORMAT) > 1_000


def test_without_a_price_nothing_is_said() -> None:
    attempt = attempt_pb2.Attempt(max_output_tokens=100)
    set_most_cost(attempt, None, ["text"], FORMAT)
    assert attempt == attempt_pb2.Attempt(max_output_tokens=100)


@pytest.mark.parametrize("other", [None, Price("EUR", 1, 1, 1, 1), Price("USD", 9_000_000, 1, 1, 1)])
def test_a_first_call_is_as_dear_as_the_dearest_route_that_it_may_go_to(other: Price | None) -> None:
    routes = Routes([Route("default", price=PRICE, fallbacks=("spare",)), Route("spare", price=other)])
    attempt = attempt_pb2.Attempt(max_output_tokens=0)
    set_most_of_all(attempt, routes, "m", ["text"], FORMAT)
    if other is None or other.currency != "USD":
        assert not attempt.HasField("most_cost")
    else:
        size = prompt_bytes(["text"], FORMAT)
        assert attempt.most_cost == other.most(size, 0)
        assert attempt.price_version == other.version
