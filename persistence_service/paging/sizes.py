"""How many entries a page has."""

from consensus_rpc.errors import InvalidField

DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE = 30, 100


def page_size(asked: int) -> int:
    """The size of a page; 0 means 30.

    Raises:
        InvalidField: below 0 or above 100.
    """
    if not 0 <= asked <= MAX_PAGE_SIZE:
        raise InvalidField(field="page_size", description=f"is 0 to {MAX_PAGE_SIZE}, not {asked}")
    return asked or DEFAULT_PAGE_SIZE
