"""Make docs/errors.md from the contract, docs/metrics.md from what services register, from the tables
deploy/citus/distribute.sql, and from the settings' code the table in README.md and .env.example.

With `--check` nothing is written: what is there is compared.
"""

import argparse
import re
import sys
import tempfile
from importlib import resources
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc

from consensus_door.config import DoorSettings
from consensus_rpc.process.settings import Settings
from consensus_rpc.process.settings_text import SettingDoc
from persistence_service.config import PersistenceSettings
from review_service.config import ReviewSettings
from scripts.distribute_sql import distribute_sql
from scripts.metrics_page import metrics_page

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
ERRORS = "consensus/v1/errors.proto"
PREFIX = "ERROR_REASON_"
BEGIN = "<!-- settings: made by `make docs` from the code, never edited -->"
END = "<!-- end of settings -->"
ERRORS_HEAD = """\
<!-- Made by `make docs` from protos/consensus/v1/errors.proto; never edited. -->
# Errors

{rule}

| reason | code | what happened, what to do | metadata |
| --- | --- | --- | --- |"""
SERVICES: dict[str, type[Settings]] = {
    "review": ReviewSettings,
    "persistence": PersistenceSettings,
    "door": DoorSettings,
}
READERS = {
    ("review",): ("review", "review service"),
    ("persistence",): ("persistence", "persistence service"),
    ("door",): ("door", "door"),
    ("review", "persistence"): ("both", "both services"),
    ("review", "persistence", "door"): ("all", "services and door"),
}
"""Who reads a setting, as the table says it and as .env.example does."""


def contract_of_errors() -> FileDescriptorProto:
    """Return the file of the reasons, with its comments."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "errors.binpb"
        includes = [f"-I{PROTOS}", f"-I{resources.files('grpc_tools') / '_proto'}"]
        if protoc.main(["protoc", *includes, "--include_source_info", f"--descriptor_set_out={out}", ERRORS]):
            raise SystemExit("protoc refused the contract")
        return FileDescriptorSet.FromString(out.read_bytes()).file[0]


def comments(file: FileDescriptorProto) -> dict[tuple[int, ...], str]:
    return {tuple(place.path): place.leading_comments for place in file.source_code_info.location}


def rule(file: FileDescriptorProto) -> str:
    """Return what stands at the head of the file, whose place is that of `syntax`, 12."""
    lines = comments(file).get((12,), "").splitlines()
    return "\n".join(line.removeprefix(" ") for line in lines)


def reasons(file: FileDescriptorProto) -> list[tuple[str, str]]:
    """Return name and comment of each value of ErrorReason but the zero, line breaks undone."""
    said = comments(file)
    number = next(index for index, enum in enumerate(file.enum_type) if enum.name == "ErrorReason")
    # A place in a file is a path of field numbers: 5 is FileDescriptorProto.enum_type, 2 its values.
    values = file.enum_type[number].value
    return [
        (value.name.removeprefix(PREFIX), " ".join(said.get((5, number, 2, index), "").split()))
        for index, value in enumerate(values)
        if value.number != 0
    ]


def errors_page() -> str:
    """Return docs/errors.md.

    Raises:
        SystemExit: if the comment of a reason does not begin with its status code.
    """
    file = contract_of_errors()
    rows = (error_row(reason, comment) for reason, comment in reasons(file))
    return "\n".join([ERRORS_HEAD.format(rule=rule(file)), *rows, ""])


def error_row(reason: str, comment: str) -> str:
    match = re.fullmatch(r"([A-Z_]+): (.+?)(?: (?:Metadata:? )(.+))?", comment)
    if match is None:
        raise SystemExit(f"{ERRORS}: the comment of {reason} must begin with its status code")
    code, meaning, metadata = match.groups(default="")
    return f"| `{reason}` | {code} | {capital(meaning)} | {capital(metadata).rstrip('.')} |"


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def settings() -> list[tuple[tuple[str, ...], SettingDoc]]:
    """Return each setting once, with who reads it; one that they read differently, several times."""
    readers: dict[SettingDoc, list[str]] = {}
    for service, model in SERVICES.items():
        for setting in model.describe():
            readers.setdefault(setting, []).append(service)
    return [(tuple(names), setting) for setting, names in readers.items()]


def settings_table() -> str:
    rows = [
        f"| `{setting.name}` | {READERS[readers][0]} | {default_cell(setting.default)} "
        f"| {cell(setting.allowed)} | {cell(setting.description)} |"
        for readers, setting in settings()
    ]
    head = ["| variable | read by | default | allowed | meaning |", "| --- | --- | --- | --- | --- |"]
    return "\n".join([BEGIN, "", *head, *rows, "", END])


def default_cell(default: str) -> str:
    return f"`{default}`" if default not in {"", "required"} else default


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def readme() -> str:
    """Return README.md with the table of today between its two marks.

    Raises:
        SystemExit: if a mark is missing.
    """
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"README.md lacks the lines between which the settings stand:\n{BEGIN}\n{END}")
    return f"{before}{settings_table()}{after}"


def env_example() -> str:
    lines = [
        "# Made by `make docs` from the settings' code; never edited. Copy it to .env and take the `#` off",
        "# what you set. The environment goes before .env.",
    ]
    for readers, setting in settings():
        lines += ["", f"# {setting.description} ({READERS[readers][1]}; {setting.allowed})"]
        lines.append(f"#{setting.name}={'' if setting.default == 'required' else setting.default}")
    return "\n".join([*lines, ""])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only; 1 if a page is out of step")
    check = parser.parse_args().check
    pages = {
        "docs/errors.md": errors_page,
        "docs/metrics.md": metrics_page,
        "deploy/citus/distribute.sql": distribute_sql,
        "README.md": readme,
        ".env.example": env_example,
    }
    stale = False
    for name, make in pages.items():
        path, text = ROOT / name, make()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale = True
        print(f"  {name} {'is out of step: run `make docs`' if check else 'made'}")
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
