"""Large buffers are given back when they are freed."""

import subprocess
import sys

PROGRAM = """
from consensus_rpc.process.memory import return_large_buffers

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

returned = return_large_buffers()
begin = resident()
for size in range(300_000, 6_000_000, 200_000):
    kept = [bytearray(size) for _ in range(8)]
    small = [bytearray(1_000) for _ in range(100)]
    del kept
print(returned, (resident() - begin) >> 20)
"""


def test_what_large_messages_took_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True)
    returned, left = done.stdout.split()
    assert returned == "True"
    assert int(left) < 8
