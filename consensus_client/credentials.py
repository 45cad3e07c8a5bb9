"""The credential that calls carry: given, or from the environment; sent where nobody reads along."""

import os
from collections.abc import Mapping
from pathlib import Path

from consensus_rpc.channel.bearer import Bearer, stays_here

KEY, KEY_FILE = "CONSENSUS_KEY", "CONSENSUS_KEY_FILE"
_MAX_BYTES = 16_384


class CredentialError(ValueError):
    """A credential cannot be used; the message says why, and never repeats it."""


def environment_bearer(environment: Mapping[str, str] = os.environ) -> Bearer | None:
    """What `CONSENSUS_KEY`, or the file that `CONSENSUS_KEY_FILE` names, holds; None where neither is set.

    Raises:
        CredentialError: both are set, the file cannot be read, or what is there is no credential.
    """
    text, path = environment.get(KEY, ""), environment.get(KEY_FILE, "")
    if text and path:
        raise CredentialError(f"{KEY}: set beside {KEY_FILE}; unset one of them")
    if path:
        text, where = _from_file(path), f"{KEY_FILE}: {path}"
    else:
        where = KEY
    if not text and not path:
        return None
    try:
        return Bearer(text.strip())
    except ValueError as error:
        raise CredentialError(f"{where}: {error}") from None


def check_way(bearer: Bearer | None, target: str, *, is_encrypted: bool) -> None:
    """Accepts a credential that nobody on the way to the target can read.

    Raises:
        CredentialError: it would leave this machine in plain text.
    """
    if bearer is not None and not is_encrypted and not stays_here(target):
        raise CredentialError(
            f"the key is not sent to {target} in plain text: set CONSENSUS_TLS_CA (or --tls-ca) to speak TLS"
        )


def _from_file(path: str) -> str:
    try:
        with Path(path).expanduser().open("rb") as file:
            return file.read(_MAX_BYTES).decode("ascii")
    except OSError as error:
        raise CredentialError(f"{KEY_FILE}: cannot read {path} ({error.strerror})") from None
    except UnicodeDecodeError:
        raise CredentialError(f"{KEY_FILE}: {path} holds no credential") from None
