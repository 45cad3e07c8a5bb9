"""A credential that calls carry, kept out of everything that is shown."""

from dataclasses import dataclass, field
from ipaddress import ip_address

from consensus_rpc.process.settings_types import split_host_port

Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Bearer:
    """A key or token; its text stands in no repr, no log and no argument of a process."""

    text: str = field(repr=False)

    def __post_init__(self) -> None:
        """Raises ValueError for what no header can carry; the text is not repeated."""
        if not self.text or not all("!" <= each <= "~" for each in self.text):
            raise ValueError("is no credential: visible ASCII without blanks")

    @property
    def metadata(self) -> Metadata:
        """What a call carries."""
        return (("authorization", f"Bearer {self.text}"),)


def stays_here(target: str) -> bool:
    """Whether a target is the loopback, from which nothing can be read on the way."""
    if target.startswith(("unix:", "unix-abstract:")):
        return True
    try:
        host, _ = split_host_port(target.removeprefix("dns:///"))
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
