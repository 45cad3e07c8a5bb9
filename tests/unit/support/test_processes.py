"""What tests start."""

import subprocess
import sys

from tests.support.processes import LIBRARIES, clean_environment


def test_what_serves_is_forked_where_grpc_was_not_imported() -> None:
    """Its servers now and then crash in a child of a process that has imported it."""
    script = f"import sys, {', '.join(LIBRARIES)}; sys.exit('grpc' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", script], env=clean_environment(), check=False).returncode == 0
    )
