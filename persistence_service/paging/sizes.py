"""How many entries a page has, and how many counts an answer."""

from collections.abc import Sized

from consensus_contract.sizes import MAX_PAGE_SIZE
from consensus_rpc.errors import InvalidField

DEFAULT_PAGE_SIZE = 30
MAX_PAGE_BYTES = 3_000_000
"""A page ends early at this size, so that it stays below what a client takes as one message."""
MAX_COUNTS = 10_000
"""What statistics hold at most: there are no pages of them."""


def page_size(asked: int) -> int:
    """The size of a page; 0 means 30.

    Raises:
        InvalidField: below 0 or above 100.
    """
    if not 0 <= asked <= MAX_PAGE_SIZE:
        raise InvalidField(field="page_size", description=f"is 0 to {MAX_PAGE_SIZE}, not {asked}")
    return asked or DEFAULT_PAGE_SIZE


def check_counts(counts: Sized, field: str) -> None:
    """Accepts what was counted, no further than one beyond MAX_COUNTS.

    Raises:
        InvalidField: more than an answer holds; `field` is what asks for less.
    """
    if len(counts) > MAX_COUNTS:
        raise InvalidField(field=field, description=f"asks for more than {MAX_COUNTS} counts")
