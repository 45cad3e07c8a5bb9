import base64
from datetime import date
from pathlib import Path

import pytest

from persistence_service.content.key_file import MAX_FILE_BYTES, KeyFileError, new_line, read_key_file

SECRET = base64.b64encode(b"k" * 32).decode()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "content-keys"


def test_the_first_line_is_the_newest_key(file: Path) -> None:
    line = new_line(date(2026, 11, 27))
    file.write_text(f"# rotated\n\n{line}\nold:{SECRET}\n", encoding="utf-8")
    keys = read_key_file(file)
    assert list(keys) == [line.partition(":")[0], "old"]
    assert keys["old"] == b"k" * 32


@pytest.mark.parametrize(
    "content",
    [
        "",
        "# none\n",
        SECRET,
        f"UPPER:{SECRET}",
        f"a b:{SECRET}",
        "a:",
        "a:not base64!",
        f"a:{SECRET}é",
        f"a:{base64.b64encode(b'k' * 31).decode()}",
        f"a:{SECRET}\na:{SECRET}",
        "x" * (MAX_FILE_BYTES + 1),
    ],
    ids=[
        "empty",
        "comment",
        "no-id",
        "case",
        "space",
        "no-key",
        "no-base64",
        "no-ascii",
        "short",
        "twice",
        "large",
    ],
)
def test_a_malformed_file_is_refused_without_its_secrets(file: Path, content: str) -> None:
    file.write_text(content, encoding="utf-8")
    with pytest.raises(KeyFileError) as refused:
        read_key_file(file)
    assert SECRET not in str(refused.value)


def test_a_file_that_is_not_there_is_named(file: Path) -> None:
    with pytest.raises(KeyFileError, match="content-keys: No such file"):
        read_key_file(file)
