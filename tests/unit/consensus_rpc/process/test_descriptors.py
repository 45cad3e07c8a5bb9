"""The limit on open files, raised and lived within."""

import json
import subprocess
import sys

import pytest

from consensus_rpc.process.descriptors import connections_carried

SCRIPT = """
import json, resource
from consensus_rpc.process.descriptors import raise_soft_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (%d, %d))
told = raise_soft_limit()
print(json.dumps([told, *resource.getrlimit(resource.RLIMIT_NOFILE)]))
"""


@pytest.mark.parametrize("soft", [64, 512])
def test_the_soft_limit_is_raised_as_far_as_it_goes(soft: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT % (soft, 512)], check=True, capture_output=True, text=True
    )

    assert json.loads(done.stdout) == [512, 512, 512]


@pytest.mark.parametrize(
    ("limit", "wanted", "carried"),
    [
        (1_048_576, 10_000, 10_000),
        (11_024, 10_000, 10_000),
        (10_240, 10_000, 9_216),
        (1_024, 10_000, 768),
        (1_024, 100, 100),
        (1, 10_000, 1),
    ],
)
def test_what_it_carries_leaves_room_for_the_rest(limit: int, wanted: int, carried: int) -> None:
    assert connections_carried(limit, wanted) == carried
