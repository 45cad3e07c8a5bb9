"""Python, as `make protos` makes it."""

import sys
from importlib import metadata
from pathlib import Path

from scripts.generation.language import Form, Language, run

ROOT = Path(__file__).resolve().parent.parent.parent
OWN = [str(ROOT), str(ROOT / "gen")]


class Python(Language):
    """grpc_tools."""

    name, suffix = "Python", ".py"

    def fetch(self) -> None:
        self.version = f"grpcio-tools {metadata.version('grpcio-tools')}"

    def generate(self, form: Form, out: Path) -> str:
        return self.run_protoc(form, f"--python_out={out}", f"--grpc_python_out={out}", rules=True)

    def compile(self, form: Form, out: Path) -> str:  # noqa: ARG002 - every form is compiled
        made = [path.relative_to(out).with_suffix("") for path in out.glob("consensus/**/*.py")]
        imports = "; ".join(f"import {'.'.join(path.parts)}" for path in made)
        # The project's own stubs, which stand on the path too, are not to be taken for what was made.
        path = f"[{str(out)!r}, *(each for each in sys.path if each not in {OWN!r})]"
        code = f"import sys; sys.path[:] = {path}; {imports}"
        return run([sys.executable, "-P", "-W", "error", "-c", code], out)
