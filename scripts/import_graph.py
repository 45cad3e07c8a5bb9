"""Print which room imports which: modules, lines, floors, arrows; exit with 1 at a circle or an arrow upward.

A room is a folder of modules; its doors are rooms of their own: `__main__`, and `__init__` where rooms stand
inside. Floors are the steps of the longest way down. Upward is what the layers in pyproject.toml forbid.
"""

import argparse
import ast
import io
import subprocess
import sys
import tarfile
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = "pyproject.toml"
Graph = Mapping[str, set[str]]


def read_files(revision: str | None) -> dict[str, str]:
    """Return the settings and the Python files by their paths, as they are or as they were in a revision."""
    if revision is None:
        listed = git("ls-files", "--cached", "--others", "--exclude-standard").decode().splitlines()
        wanted = [name for name in listed if name.endswith((".py", SETTINGS)) and (ROOT / name).is_file()]
        return {name: (ROOT / name).read_text("utf-8") for name in wanted}
    with tarfile.open(fileobj=io.BytesIO(git("archive", revision))) as archive:
        held = {each.name: archive.extractfile(each) for each in archive if each.isfile()}
        return {
            name: file.read().decode()
            for name, file in held.items()
            if file and name.endswith((".py", SETTINGS))
        }


def git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True).stdout  # noqa: S607


def own_modules(files: Mapping[str, str]) -> dict[str, str]:
    """Return the text of each module of the project's packages by its name; stubs and migrations left out."""
    packages = tomllib.loads(files[SETTINGS])["tool"]["importlinter"]["root_packages"]
    roots = tuple(f"{name}/" for name in packages)
    return {
        path.removesuffix(".py").removesuffix("/__init__").replace("/", "."): text
        for path, text in files.items()
        if path.startswith(roots)
    }


def imported_by(text: str, modules: Iterable[str]) -> set[str]:
    """Return which of the modules this text imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names if names <= set(modules) else names | {node.module}
    return found & set(modules)


def room_of(module: str, modules: Iterable[str]) -> str:
    folder, _, name = module.rpartition(".")
    inside = [each for each in modules if each.startswith(f"{module}.")]
    if not inside:
        return module if name == "__main__" else folder
    has_rooms = any(each.count(".") > module.count(".") + 1 for each in inside)
    return f"{module}.__init__" if has_rooms else module


def reachable(graph: Graph) -> Graph:
    found: dict[str, set[str]] = {}
    for node in graph:
        seen, waiting = set[str](), [node]
        while waiting:
            new = graph[waiting.pop()] - seen
            seen |= new
            waiting.extend(new)
        found[node] = seen
    return found


def circles(graph: Graph) -> set[frozenset[str]]:
    reach = reachable(graph)
    found = {frozenset(other for other in reach[node] if node in reach[other]) for node in graph}
    return found - {frozenset()}


def floor_count(graph: Graph) -> int:
    """Return the number of nodes on the longest way; a circle counts as one."""
    reach = reachable(graph)

    @cache
    def height(node: str) -> int:
        return 1 + max((height(to) for to in reach[node] if node not in reach[to]), default=0)

    return max(map(height, graph), default=0)


def upward(arrows: Iterable[tuple[str, str]], settings: str) -> list[tuple[str, str]]:
    """Return the arrows that lead from a lower layer of an import-linter contract to a higher one."""
    contracts = tomllib.loads(settings).get("tool", {}).get("importlinter", {}).get("contracts", [])
    orders = [
        [tuple(f"{prefix}{name.strip(' ()')}." for name in layer.split("|")) for layer in contract["layers"]]
        for contract in contracts
        if contract["type"] == "layers"
        for prefix in [f"{each}." for each in contract.get("containers", [])] or [""]
    ]
    return [arrow for arrow in arrows if any(leads_up(*arrow, order) for order in orders)]


def leads_up(room: str, to: str, order: list[tuple[str, ...]]) -> bool:
    below = [depth for depth, layer in enumerate(order) if f"{room}.".startswith(layer)]
    above = [depth for depth, layer in enumerate(order) if f"{to}.".startswith(layer)]
    return bool(below and above and below[0] > above[0])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--at", metavar="REV", help="a revision, such as HEAD~3, instead of the files")
    files = read_files(parser.parse_args().at)
    modules = own_modules(files)
    imports = {name: imported_by(text, modules) - {name} for name, text in modules.items()}
    rooms = {name: room_of(name, modules) for name in modules}
    arrows = Counter((rooms[name], rooms[to]) for name, found in imports.items() for to in found)
    graph = {room: {to for start, to in arrows if start == room} - {room} for room in sorted(rooms.values())}
    print(f"{'room':<36}{'modules':>8}{'lines':>7}{'arrows inside':>15}{'floors inside':>15}")
    for room in graph:
        members = {name for name in rooms if rooms[name] == room}
        inside = {name: imports[name] & members for name in members}
        lines = sum(modules[name].count("\n") for name in inside)
        print(f"{room:<36}{len(inside):>8}{lines:>7}{arrows[room, room]:>15}{floor_count(inside):>15}")
    print("\narrows, with the number of imports")
    for room in graph:
        print(f"{room} -> {', '.join(f'{to} {arrows[room, to]}' for to in sorted(graph[room])) or 'nothing'}")
    between = sorted(arrow for arrow in arrows if arrow[0] != arrow[1])
    wrong = [f"circle: {', '.join(circle)}" for circle in sorted(map(sorted, circles(graph)))]
    wrong += [f"upward: {room} -> {to}" for room, to in upward(between, files[SETTINGS])]
    print(f"\n{len(graph)} rooms, {len(modules)} modules, {len(between)} arrows, {floor_count(graph)} floors")
    print("\n".join(wrong) or "no circle, no arrow upward")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
