"""What the image is made of: known vulnerabilities, licences, and a bill of materials (`make audit`).

Reads requirements-runtime.lock and the metadata of what is installed from it. `BOM` is CycloneDX. Exit code
1: a known vulnerability, a licence that is not among those accepted, or, with `--strict`, vulnerabilities
that could not be looked up.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements-runtime.lock"
TOOLS = ROOT / "build" / "audit" / ".venv" / "bin"
BOM = ROOT / "build" / "audit" / "sbom.cdx.json"

LOOKING_UP_SECONDS = 120
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)
_ACCEPTED = re.compile(
    r"\b(MIT|BSD|Apache|ISC|PSF|Python Software Foundation|Mozilla|MPL|Unlicense|Zlib|LGPL|0BSD|MIT-0)\b",
    re.IGNORECASE,
)
"""Those that ask for a notice at most, and LGPL and MPL, which bind changes of the library alone."""
_BINDING = re.compile(r"(?<!L)GPL|(?<!Lesser )General Public", re.IGNORECASE)
"""Those that bind what is made with the library."""


def main() -> int:
    """Prints what was found, a line each, and a last line for each of the three questions."""
    parser = argparse.ArgumentParser(prog="audit", description=__doc__)
    parser.add_argument("--strict", action="store_true", help="fail where nothing could be looked up")
    options = parser.parse_args()
    pinned = dict(_PINNED.findall(LOCK.read_text(encoding="utf-8")))
    vulnerable = report_vulnerabilities(looked_up(), is_strict=options.strict)
    unlicensed = report_licences(licences(pinned))
    write_bill()
    return 1 if vulnerable or unlicensed else 0


def looked_up() -> list[dict[str, Any]]:
    """What pip-audit says of each locked package; empty when it does not come to an answer."""
    command = [
        str(TOOLS / "pip-audit"),
        *("--disable-pip", "--require-hashes", "--progress-spinner=off", "--format=json"),
        f"--requirement={LOCK}",
    ]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=LOOKING_UP_SECONDS
        )
        dependencies: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, json.JSONDecodeError, KeyError):
        return []
    return dependencies


def report_vulnerabilities(dependencies: Iterable[Mapping[str, Any]], *, is_strict: bool) -> bool:
    """Prints each; True: this is to fail. A package that nobody answered for is not one without."""
    known = [each for each in dependencies if "vulns" in each]
    skipped = [each for each in dependencies if "vulns" not in each]
    faults = 0
    for each in known:
        for fault in each["vulns"]:
            faults += 1
            fixed = ", ".join(fault.get("fix_versions", ())) or "no release yet"
            print(f"VULNERABLE  {each['name']} {each['version']}: {fault['id']}, mended in {fixed}")
    if not known:
        print("vulnerabilities: NOT LOOKED UP, their data could not be reached")
    else:
        unknown = f"; not looked up: {len(skipped)}" if skipped else ""
        print(f"vulnerabilities: {faults} in {len(known)} packages{unknown}")
    return bool(faults) or (is_strict and (not known or bool(skipped)))


def licences(pinned: Mapping[str, str]) -> dict[str, str]:
    """The licence of each locked package, as its metadata names it; of one that is not installed here,
    since it is for another platform, nothing is known.
    """
    found = {}
    for name in pinned:
        try:
            found[name] = licence_of(metadata(name))
        except PackageNotFoundError:
            print(f"licences: {name} is not installed on this platform, and not looked at")
    return found


def licence_of(about: Any) -> str:
    """The expression of PEP 639, or the classifiers, or the first line of the old field; empty: none."""
    if expression := about.get("License-Expression"):
        return str(expression)
    classifiers = [
        line.rpartition(" :: ")[2]
        for line in about.get_all("Classifier") or ()
        if line.startswith("License :: ")
    ]
    return "; ".join(classifiers) or (about.get("License") or "").strip().partition("\n")[0]


def is_accepted(licence: str) -> bool:
    """Whether what is made of a package may be given away on this project's terms."""
    choices = re.split(r"\bOR\b", licence)
    return any(_ACCEPTED.search(each) and not _BINDING.search(each) for each in choices)


def report_licences(found: Mapping[str, str]) -> bool:
    """Prints each that is not accepted, and how many there are of which; True: there is one."""
    refused = {name: text for name, text in found.items() if not is_accepted(text)}
    for name, text in sorted(refused.items()):
        print(f"LICENCE     {name}: {text or 'none named'}")
    print(f"licences: {len(found) - len(refused)} of {len(found)} accepted")
    return bool(refused)


def write_bill() -> None:
    """Makes the bill of materials of the lock, the same bytes each time."""
    command = [str(TOOLS / "cyclonedx-py"), "requirements", str(LOCK), "--output-reproducible"]
    options = ["--pyproject", str(ROOT / "pyproject.toml"), "--short-PURLs", "-o", str(BOM)]
    quiet = {**os.environ, "PYTHONWARNINGS": "ignore"}  # a lock does not say what needs what
    subprocess.run([*command, *options], check=True, env=quiet)
    count = len(json.loads(BOM.read_text(encoding="utf-8"))["components"])
    print(f"bill of materials: {count} components in {BOM.relative_to(ROOT)}")


if __name__ == "__main__":
    sys.exit(main())
