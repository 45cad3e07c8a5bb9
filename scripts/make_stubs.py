"""Make gen/ from the contract in protos/: what others read, and what Python imports.

- gen/consensus, gen/buf: Python stubs, and beside them the service config, so that the library has it
  wherever it is installed. No stubs of google/rpc, which come with a library, nor of the plain copy: a
  second set would collide in the descriptor pool.
- gen/plain: the public contract without rules, for generators that would make code of them.
- gen/descriptors/consensus.binpb: the public contract and google/rpc, compiled, with all imports.

With `--check` nothing is written: all of it is made in a temporary folder and compared. Either way the
plain copy is compiled and held against the contract, and the service config against the methods.
"""

import argparse
import filecmp
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet, MethodOptions
from grpc_tools import protoc

from scripts.plain_contract import difference, without_rules

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
GEN = ROOT / "gen"
PUBLIC = "consensus/v1"
ERRORS = ("google/rpc/error_details.proto", "google/rpc/status.proto")
SERVICE_CONFIG = PROTOS / PUBLIC / "service_config.json"
# A run's own failure ends it, with UNAVAILABLE too, which gRPC would take for the call's.
NEVER_REPEATED = {("consensus.v1.ReviewService", "WatchRun")}
SERVICE = re.compile(r"^service ", re.MULTILINE)
PACKAGE_MARK = '"""Stubs made by `make protos`; never edit them."""\n'


def make_all(out: Path) -> None:
    """Write below `out` all that stands in gen/.

    Raises:
        SystemExit: if protoc refuses a file (it has said why on stderr), the plain copy is not the contract
            without rules, or the service config does not name the reads.
    """
    public = sorted(path.relative_to(PROTOS).as_posix() for path in (PROTOS / PUBLIC).glob("*.proto"))
    make_stubs(out)
    make_plain(out / "plain", public)
    check_plain(out / "plain", public)
    descriptors = out / "descriptors" / "consensus.binpb"
    descriptors.parent.mkdir()
    run_protoc([PROTOS], [*public, *ERRORS], f"--descriptor_set_out={descriptors}", "--include_imports")
    check_service_config(FileDescriptorSet.FromString(descriptors.read_bytes()))


def make_stubs(out: Path) -> None:
    """Write messages, services, their types, the packages around them and the service config."""
    sources = sorted(path for path in PROTOS.rglob("*.proto") if "google" not in path.parts)
    names = [path.relative_to(PROTOS).as_posix() for path in sources]
    services = [
        name for name, path in zip(names, sources, strict=True) if SERVICE.search(path.read_text("utf-8"))
    ]
    # protoc-gen-grpc would write an empty module for each file without a service.
    run_protoc([PROTOS], names, f"--python_out={out}", f"--mypy_out=quiet:{out}")
    run_protoc([PROTOS], services, f"--grpc_python_out={out}", f"--mypy_grpc_out=quiet:{out}")
    for folder in sorted({parent for path in sources for parent in package_folders(path)}):
        (out / folder / "__init__.py").write_text(PACKAGE_MARK, encoding="utf-8")
        (out / folder.parts[0] / "py.typed").touch()
    shutil.copyfile(SERVICE_CONFIG, out / PUBLIC / SERVICE_CONFIG.name)


def package_folders(source: Path) -> list[Path]:
    return list(source.relative_to(PROTOS).parents)[:-1]


def make_plain(out: Path, public: Iterable[str]) -> None:
    """Write the public files without rules, and beside them what clients read errors with."""
    for name in public:
        target = out / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(without_rules((PROTOS / name).read_text("utf-8")), encoding="utf-8", newline="\n")
    for name in ERRORS:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROTOS / name, out / name)


def check_plain(plain: Path, public: list[str]) -> None:
    """Compile both forms of the contract and compare them, descriptor by descriptor.

    Raises:
        SystemExit: where they differ in more than rules.
    """
    for original, copy in zip(compiled(PROTOS, public).file, compiled(plain, public).file, strict=True):
        found = difference(original, copy)
        if found is not None:
            raise SystemExit(f"gen/plain/{copy.name} is not {original.name} without rules: {found}")


def compiled(root: Path, names: list[str]) -> FileDescriptorSet:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "contract.binpb"
        run_protoc([root], names, f"--descriptor_set_out={out}", "--include_source_info")
        return FileDescriptorSet.FromString(out.read_bytes())


def check_service_config(contract: FileDescriptorSet) -> None:
    """Hold the methods that gRPC may repeat by itself against those that only read.

    Raises:
        SystemExit: where they are not the same.
    """
    reads = {
        (f"{file.package}.{service.name}", method.name)
        for file in contract.file
        for service in file.service
        for method in service.method
        if method.options.idempotency_level == MethodOptions.NO_SIDE_EFFECTS
    }
    config = json.loads(SERVICE_CONFIG.read_text("utf-8"))
    named = {(each["service"], each["method"]) for part in config["methodConfig"] for each in part["name"]}
    wrong = sorted(named ^ (reads - NEVER_REPEATED))
    if wrong:
        raise SystemExit(
            f"{SERVICE_CONFIG.relative_to(ROOT)}: reads that it lacks, or methods that are none: {wrong}"
        )


def run_protoc(roots: Iterable[Path], names: Iterable[str], *outputs: str) -> None:
    includes = [f"-I{root}" for root in [*roots, resources.files("grpc_tools") / "_proto"]]
    commands = [Path(sys.executable).parent / name for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")]
    plugins = [f"--plugin={command.name}={command}" for command in commands]
    status = protoc.main(["protoc", *includes, *plugins, *outputs, *names])
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
    parser.add_argument("--check", action="store_true", help="compare only; 1 if gen/ is out of step")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder)
        make_all(made)
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
