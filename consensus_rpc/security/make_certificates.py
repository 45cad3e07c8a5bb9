"""`python -m consensus_rpc.security.make_certificates FOLDER`: an authority and certificates for development.

Makes `authority.pem`, with its key, and for `persistence`, `review`, `door` and `client` a certificate and a
key each. Nothing that is there is written over, unless `--renew` asks for new certificates by the same
authority; `--keep` makes by it what is not there yet.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from consensus_rpc.security.authority import Authority, Issued

_DAYS = 365
_LOOPBACK = ("127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Names:
    """What a certificate is to say; a server is called by host, a client never."""

    uri: str
    hosts: Sequence[str] = ()
    addresses: Sequence[str] = ()


OF_EACH: Mapping[str, Names] = {
    "persistence": Names("spiffe://consensus/persistence", ("persistence", "localhost"), _LOOPBACK),
    "review": Names("spiffe://consensus/review", ("review", "localhost"), _LOOPBACK),
    "door": Names("spiffe://consensus/door", ("door", "localhost"), _LOOPBACK),
    "client": Names("spiffe://consensus/client"),
}


class AlreadyThere(Exception):  # noqa: N818 - says what is
    """A file that would be written over."""


def make_certificates(
    folder: Path,
    *,
    names: Mapping[str, Names] = OF_EACH,
    days: int = _DAYS,
    renew: bool = False,
    keep: bool = False,
) -> list[Path]:
    """Writes what the module says; the files that were written.

    Raises:
        AlreadyThere: one of them is there; nothing was written.
    """
    authority_file, authority_key = folder / "authority.pem", folder / "authority.key"
    present = [path for path in _files(folder, names) if path.exists()]
    has_authority = authority_file in present and authority_key in present
    if keep and has_authority:
        names = {name: each for name, each in names.items() if folder / f"{name}.pem" not in present}
    elif present and not (renew and has_authority):
        raise AlreadyThere(str(present[0]))
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    if has_authority:
        authority = Authority.read(authority_file.read_bytes(), authority_key.read_bytes())
    else:
        authority = Authority.make()
        written += write_issued(folder, "authority", authority.issued)
    for name, each in names.items():
        issued = authority.issue(
            dns=each.hosts, addresses=each.addresses, uris=(each.uri,), lifetime=timedelta(days=days)
        )
        written += write_issued(folder, name, issued)
    return written


def write_issued(folder: Path, name: str, issued: Issued) -> list[Path]:
    """Puts a certificate and its key, which its owner alone may read, in place, each at once."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    _write(key, issued.key, 0o600)
    _write(certificate, issued.certificate, 0o644)
    return [certificate, key]


def _write(path: Path, content: bytes, mode: int) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:  # noqa: PTH123 - born with its mode
        file.write(content)
    part.replace(path)


def _files(folder: Path, names: Mapping[str, Names]) -> list[Path]:
    return [folder / f"{name}.{kind}" for name in ("authority", *names) for kind in ("pem", "key")]


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, or 1 when something is there already."""
    parser = argparse.ArgumentParser(
        prog="python -m consensus_rpc.security.make_certificates",
        description="An authority and certificates for development; its key lies beside them.",
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--days", type=int, default=_DAYS, help="how long certificates are valid (365)")
    parser.add_argument(
        "--renew", action="store_true", help="new certificates by the authority that is there"
    )
    parser.add_argument("--keep", action="store_true", help="make what is not there, and end well")
    given = parser.parse_args(arguments)
    try:
        written = make_certificates(given.folder, days=given.days, renew=given.renew, keep=given.keep)
    except AlreadyThere as there:
        sys.stderr.write(f"{there} is there: nothing was written (--renew makes new certificates)\n")
        return 1
    sys.stdout.write("".join(f"{path}\n" for path in written))
    return 0


if __name__ == "__main__":
    sys.exit(main())
