"""Generate the public contract in Go, TypeScript, Java, Rust and Python, and compile what comes out.

Each with the files of protos/ (rules included) and with those of gen/plain, in a temporary folder, with no
flag beyond the ordinary. One line for each: seconds, lines generated, and whether anything was said. Tools
are fetched once into build/generation; a language whose tools are not to be had is left out, and named.
Names of languages as arguments restrict it to these.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from scripts.generation.go import Go
from scripts.generation.java import Java
from scripts.generation.language import Form, Language, LeftOut, Refused
from scripts.generation.python import Python
from scripts.generation.rust import Rust
from scripts.generation.typescript import TsProto, TypeScript

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "build" / "generation"
RULES = "buf/validate/validate.proto"
LANGUAGES: tuple[type[Language], ...] = (Python, Go, TypeScript, TsProto, Java, Rust)
ROW = "{:<22} {:<14} {:<44} {:>7} {:>7}  {}"


def forms() -> list[Form]:
    public = tuple(
        f"consensus/v1/{path.name}" for path in sorted((ROOT / "protos/consensus/v1").glob("*.proto"))
    )
    return [
        Form("plain", ROOT / "gen" / "plain", public),
        Form("with rules", ROOT / "protos", public, (RULES,)),
    ]


def protoc(folder: Path) -> Path:
    """Return a command `protoc` that is the pinned one, with Google's own files on its path."""
    command = folder / "protoc"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m grpc_tools.protoc "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    return command


def check(language: Language, form: Form, out: Path) -> tuple[bool, str]:
    """Print the line of one form in one language; return whether all is well, and what was said."""
    begin = time.monotonic()
    verdict, said, seconds = "ok", "", 0.0
    try:
        said = language.generate(form, out)
        seconds = time.monotonic() - begin
        lines = count_lines(out, language.suffix)
        compiled = language.compile(form, out)
        verdict = "ok, compiled" if compiled is not None else "ok"
        said += compiled or ""
    except Refused as error:
        verdict, said, lines = "FAILED", str(error), count_lines(out, language.suffix)
    if said and verdict.startswith("ok"):
        verdict = "WARNING"
    if language.lacking:
        verdict += f"; {language.lacking}"
    row = ROW.format(language.name, form.name, language.version, f"{seconds:.1f} s", lines, verdict)
    print(row, flush=True)
    return not said, said


def count_lines(folder: Path, suffix: str) -> int:
    return sum(path.read_bytes().count(b"\n") for path in folder.rglob(f"*{suffix}") if path.is_file())


def check_language(kind: type[Language], folder: Path, command: Path) -> bool:
    language = kind(CACHE / kind.name.split()[0].lower(), command)
    try:
        language.prepare()
    except LeftOut as reason:
        print(f"{kind.name:<22} left out: {reason}", flush=True)
        return True
    is_well = True
    for form in forms():
        out = folder / "out"
        out.mkdir()
        fine, said = check(language, form, out)
        shutil.rmtree(out)
        if not fine:
            is_well = False
            print("\n".join(f"    {line}" for line in said.splitlines()[:20]), flush=True)
    return is_well


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = {kind.name.split()[0].lower() for kind in LANGUAGES}
    parser.add_argument("languages", nargs="*", help=", ".join(sorted(names)))
    wanted = {name.lower() for name in parser.parse_args().languages} or names
    if unknown := wanted - names:
        parser.error(f"no such language: {', '.join(sorted(unknown))}")
    print(ROW.format("language", "contract", "generator", "time", "lines", ""))
    with tempfile.TemporaryDirectory() as folder:
        command = protoc(Path(folder))
        results = [
            check_language(kind, Path(folder), command)
            for kind in LANGUAGES
            if kind.name.split()[0].lower() in wanted
        ]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
