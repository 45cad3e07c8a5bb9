"""The most that a call to the model can cost, told before it is made. Pure."""

import json
from collections.abc import Iterable, Sequence
from typing import Final

from consensus.v1 import attempt_pb2
from review_service.model.model_call import OutputFormat
from review_service.model.routes import Price, Routes

# What stands around the texts: roles, names, the marks between messages.
_AROUND_BYTES: Final = 1_024
# The schema goes into the request, and on some routes into the prompt too.
_SCHEMA_TIMES: Final = 2


def prompt_bytes(texts: Iterable[str], output: OutputFormat) -> int:
    """An upper bound on the tokens of a prompt: no token stands for less than a byte."""
    schema = len(json.dumps(output.schema)) * _SCHEMA_TIMES
    return _AROUND_BYTES + schema + sum(len(text.encode("utf-8", "replace")) for text in texts)


def set_most_cost(
    attempt: attempt_pb2.Attempt, price: Price | None, texts: Iterable[str], output: OutputFormat
) -> None:
    """Says of an attempt that is about to begin what it can cost at most, where that is known."""
    if price is None:
        return
    attempt.most_cost.CopyFrom(price.most(prompt_bytes(texts, output), attempt.max_output_tokens))
    attempt.price_version = price.version


def set_most_of_all(
    attempt: attempt_pb2.Attempt, routes: Routes, name: str, texts: Sequence[str], output: OutputFormat
) -> None:
    """As `set_most_cost`, of a first attempt, which may go to any of the routes that are fallen back on.

    Nothing is said where one of them has no price, or another currency.
    """
    asked = routes.resolve(name)
    prices = [stop.route.price_of(stop.model) for stop in (asked, *routes.fallbacks(asked))]
    known = [price for price in prices if price is not None]
    if len(known) < len(prices) or len({price.currency for price in known}) != 1:
        return
    size = prompt_bytes(texts, output)
    dearest = max(known, key=lambda price: price.most(size, attempt.max_output_tokens).micros)
    attempt.most_cost.CopyFrom(dearest.most(size, attempt.max_output_tokens))
    attempt.price_version = dearest.version
