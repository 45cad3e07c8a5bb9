"""The contract's words stand by themselves: what ends a run has its class without any other package."""

import subprocess
import sys

PROGRAM = """
import sys
from consensus_contract.errors import ErrorReason, RunFailed, run_failed

reasons = {each.reason for each in RunFailed.__subclasses__()} | {ErrorReason.ERROR_REASON_INTERNAL}
print(len([run_failed(reason, run_id="r") for reason in reasons]), "consensus_rpc" in sys.modules)
"""


def test_a_run_may_end_for_any_of_its_reasons_where_nothing_else_is_loaded() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["17", "False"]
