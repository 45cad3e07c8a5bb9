"""The operator's keys: a file of lines `id:key`, the newest first."""

import base64
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from persistence_service.content.cipher import KEY_BYTES, new_key

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
MAX_FILE_BYTES = 65_536


class KeyFileError(ValueError):
    """The file is not there or not as it should be; says which line, never what it holds."""


def read_key_file(path: Path) -> Mapping[str, bytes]:
    """The keys by id, the first line's first: that one wraps from now on. Blank lines and `#` are skipped.

    Raises:
        KeyFileError: it cannot be read, holds no key, a malformed one or two of one id.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from None
    if len(raw) > MAX_FILE_BYTES:
        raise KeyFileError(f"{path}: is larger than {MAX_FILE_BYTES} bytes")
    keys: dict[str, bytes] = {}
    for number, line in enumerate(raw.decode("utf-8", "replace").splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            key_id, key = _parsed(line.strip(), f"{path}, line {number}")
            if key_id in keys:
                raise KeyFileError(f"{path}, line {number}: a second key of the id {key_id}")
            keys[key_id] = key
    if not keys:
        raise KeyFileError(f"{path}: holds no key; `python -m persistence_service content-key` makes one")
    return keys


def new_line(today: date) -> str:
    """A line with a new key, named by the day."""
    return f"{today.isoformat()}-{new_key()[:2].hex()}:{base64.b64encode(new_key()).decode()}"


def _parsed(line: str, place: str) -> tuple[str, bytes]:
    key_id, separator, text = line.partition(":")
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:  # no base64, or no ASCII
        key = b""
    if not separator or not _ID.fullmatch(key_id) or len(key) != KEY_BYTES:
        raise KeyFileError(f"{place}: is not `id:key` with {KEY_BYTES} bytes in base64")
    return key_id, key
