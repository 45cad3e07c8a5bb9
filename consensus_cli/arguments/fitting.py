"""What the commands that fit policies have in common."""

import re
from decimal import Decimal
from importlib.util import find_spec

import typer

_NUMBER = re.compile(r"[0-9]{1,7}(\.[0-9]{1,4})?")
_SHARE = re.compile(r"0?\.[0-9]{1,6}")


def price(text: str) -> Decimal:
    """What a false approval costs: a decimal above 0, at most 1,000,000."""
    if not _NUMBER.fullmatch(text) or not 0 < Decimal(text) <= 1_000_000:
        raise typer.BadParameter(f"{text!r} is no number above 0 and up to 1000000")
    return Decimal(text)


def share(text: str) -> Decimal:
    """A decimal between 0 and 1."""
    if not _SHARE.fullmatch(text) or not Decimal(text):
        raise typer.BadParameter(f"{text!r} is no number between 0 and 1, such as 0.15")
    return Decimal(text)


def fitting_needed() -> None:
    """Says which extra is missing, where it is."""
    if any(find_spec(each) is None for each in ("matplotlib", "sklearn")):
        raise typer.BadParameter("this needs scikit-learn: pip install 'consensus-client[fit]'")
