"""Make the Python stubs in gen/ from the contract in protos/.

With `--check` nothing is written: the stubs are made in a temporary folder and compared.
"""

import argparse
import filecmp
import re
import shutil
import sys
import tempfile
from importlib import resources
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
GEN = ROOT / "gen"
SERVICE = re.compile(r"^service ", re.MULTILINE)
PACKAGE_MARK = '"""Stubs made by `make protos`; never edit them."""\n'


def compile_protos(out: Path) -> None:
    """Write messages, services, their types and the packages around them below `out`.

    Raises:
        SystemExit: if protoc refuses a file; it has said why on stderr.
    """
    sources = sorted(PROTOS.rglob("*.proto"))
    services = [path for path in sources if SERVICE.search(path.read_text(encoding="utf-8"))]
    # protoc-gen-grpc would write an empty module for each file without a service.
    run_protoc(sources, f"--python_out={out}", f"--mypy_out=quiet:{out}")
    if services:
        run_protoc(services, f"--grpc_python_out={out}", f"--mypy_grpc_out=quiet:{out}")
    for folder in sorted({parent for path in sources for parent in package_folders(path)}):
        (out / folder / "__init__.py").write_text(PACKAGE_MARK, encoding="utf-8")


def package_folders(source: Path) -> list[Path]:
    return list(source.relative_to(PROTOS).parents)[:-1]


def run_protoc(sources: list[Path], *outputs: str) -> None:
    well_known = resources.files("grpc_tools") / "_proto"
    commands = [Path(sys.executable).parent / name for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")]
    plugins = [f"--plugin={command.name}={command}" for command in commands]
    names = [str(path.relative_to(PROTOS)) for path in sources]
    status = protoc.main(["protoc", f"-I{PROTOS}", f"-I{well_known}", *plugins, *outputs, *names])
    if status != 0:
        raise SystemExit(f"protoc ended with status {status}")


def files_below(folder: Path) -> set[Path]:
    """Return the files below `folder`, relative to it, without Python's own caches."""
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder) for path in found}


def differences(made: Path, kept: Path) -> list[str]:
    """Say, one line per file, where `kept` is not what was made."""
    made_files, kept_files = files_below(made), files_below(kept)
    changed = [
        path for path in made_files & kept_files if not filecmp.cmp(made / path, kept / path, shallow=False)
    ]
    return sorted(
        [f"missing  {path}" for path in made_files - kept_files]
        + [f"stale    {path}" for path in kept_files - made_files]
        + [f"changed  {path}" for path in changed]
    )


def replace(made: Path, kept: Path) -> None:
    """Make `kept` equal to `made`, touching only files that differ."""
    for path in files_below(kept) - files_below(made):
        (kept / path).unlink()
    for path in files_below(made):
        target = kept / path
        if not target.exists() or not filecmp.cmp(made / path, target, shallow=False):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(made / path, target)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only; 1 if the stubs are out of step")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder)
        compile_protos(made)
        found = differences(made, GEN)
        if not check:
            replace(made, GEN)
    for line in found:
        print(f"  {line}")
    if check and found:
        print("gen/ is out of step with protos/: run `make protos` and commit the result")
    return 1 if check and found else 0


if __name__ == "__main__":
    sys.exit(main())
