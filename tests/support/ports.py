"""Ports of a test's own: nobody else is given them while what listens there is killed and started again."""

from contextlib import ExitStack
from typing import Self

from consensus_cli.local.processes import address_of, reserve_port


class HeldPorts:
    """Ports that stay taken until they are closed; servers can bind them meanwhile."""

    def __init__(self) -> None:
        self._held = ExitStack()

    def listen(self) -> str:
        """The `host:port` of one more."""
        return address_of(self._held.enter_context(reserve_port()))

    def close(self) -> None:
        """Give them back."""
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
