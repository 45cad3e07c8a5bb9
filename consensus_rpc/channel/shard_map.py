"""Where each tenant's service is: one address, or a map of tenants to addresses, or a file that holds one.

`host:port` is for all tenants. `*=host:port,acme=other:port` names one for `acme`, and one for all others, of
which `*` is no tenant's name. `@/path` is a file with an entry a line, blank lines and `#` aside; it is read
again whenever it changes, so that a tenant that was moved is found without a restart.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator

from consensus_rpc.process.settings_text import Allowed
from consensus_rpc.process.settings_types import check_target

OTHERS = "*"
FILE_MARK = "@"
MAX_FILE_BYTES = 4 * 1024 * 1024
_TENANT = re.compile(r"[0-9A-Za-z._-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ShardMap:
    """The address of each tenant that has one of its own, and that of all others."""

    others: str
    by_tenant: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parsed(cls, entries: Iterable[str]) -> Self:
        """The map of entries `tenant=address`, or of one address alone.

        Raises:
            ValueError: one is malformed or there twice, or none is for all others.
        """
        given = [entry.strip() for entry in entries if entry.strip()]
        if len(given) == 1 and "=" not in given[0]:
            return cls(check_target(given[0]))
        found: dict[str, str] = {}
        for entry in given:
            tenant, separator, address = (part.strip() for part in entry.partition("="))
            if not separator or not (tenant == OTHERS or _TENANT.fullmatch(tenant)):
                raise ValueError(f"is no tenant=address: {entry}")
            if tenant in found:
                raise ValueError(f"names {tenant} twice")
            found[tenant] = check_target(address)
        if OTHERS not in found:
            raise ValueError(f"names no address for all others: {OTHERS}=host:port")
        return cls(found.pop(OTHERS), found)

    def address_of(self, tenant: str) -> str:
        """Where a tenant's service is; the empty tenant's is that of all others."""
        return self.by_tenant.get(tenant, self.others)

    def addresses(self) -> list[str]:
        """All addresses, each once; that of all others first."""
        return list(dict.fromkeys((self.others, *self.by_tenant.values())))


def read_shard_map(text: str) -> ShardMap:
    """The map that a setting gives, or that its file holds now.

    Raises:
        ValueError: it is malformed, or the file cannot be read.
    """
    if not text.startswith(FILE_MARK):
        return ShardMap.parsed(text.split(","))
    path = Path(text[len(FILE_MARK) :])
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    if len(raw) > MAX_FILE_BYTES:
        raise ValueError(f"{path}: is larger than {MAX_FILE_BYTES} bytes")
    try:
        lines = raw.decode().splitlines()
        return ShardMap.parsed(line for line in lines if not line.lstrip().startswith("#"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def check_shard_map(text: str) -> str:
    """The same text, if it gives a map.

    Raises:
        ValueError: when it does not.
    """
    read_shard_map(text)
    return text


ShardAddress = Annotated[
    str,
    AfterValidator(check_shard_map),
    Allowed("host:port, dns:///host:port, `*`=host:port,tenant=host:port,…, or @ and a path"),
]
"""Where a service is, or where it is for each tenant."""
