"""What docs/door.md tells people to type works, in the order of the page."""

import re
import subprocess
from pathlib import Path

from tests.integration.door.conftest import Door

PAGE = Path(__file__).resolve().parents[3] / "docs" / "door.md"
EXAMPLES = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
# curl as people have it, but that it ends with what an HTTP error is, and shows no progress.
CURL = 'curl() { command curl --silent --show-error --fail-with-body --noproxy "*" "$@"; echo; }\n'


def test_every_example_of_the_page_works(door: Door, tmp_path: Path) -> None:
    script = CURL + "\n".join(EXAMPLES).replace("127.0.0.1:8080", door.address)
    done = subprocess.run(
        ["sh", "-eu", "-c", script],
        cwd=tmp_path, check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert re.search(r"^event: end\n", done.stdout, re.MULTILINE)
    ids = [int(each) for each in re.findall(r"^id: (\d+)$", done.stdout, re.MULTILINE)]
    assert ids == [*range(1, max(ids) + 1), *range(4, max(ids) + 1)]
    assert '"status":"ok"' in done.stdout
    assert '"storedCount": 1' in done.stdout
