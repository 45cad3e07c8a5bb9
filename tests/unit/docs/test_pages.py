"""What the pages name is there: files and folders, and in the glossary the class that bears a word."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGES = [
    "README.md",
    "protos/README.md",
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
]
FOLDERS = "|".join(re.escape(path.name) for path in ROOT.iterdir() if path.is_dir() and path.name != "build")
# From the project's root; links are relative to the page.
NAMED = re.compile(rf"`((?:{FOLDERS})/(?:[\w.-]+/)*(?:[\w.-]+\.(?:py|md|proto|json|toml))?)`")
LINKED = re.compile(r"\]\(([^):#]+)(?:#[\w-]+)?\)")
CLASS = re.compile(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)*)`")
DEFINED = re.compile(r"^(?:class|message|enum) (\w+)|^(\w+): TypeAlias", re.MULTILINE)


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_is_there(page: str) -> None:
    folder = (ROOT / page).parent
    named = [ROOT / name for name in NAMED.findall(text(page))]
    linked = [folder / name for name in LINKED.findall(text(page))]
    assert [str(path) for path in (*named, *linked) if not path.exists()] == []


def rows_of_the_code() -> list[str]:
    """The column of the glossary that says which class, where."""
    rows = [line.split("|") for line in text("docs/glossary.md").splitlines()]
    return [cells[2] for cells in rows if len(cells) == 5 and "`" in cells[2]]


def defined_in(place: Path) -> set[str]:
    files = (
        [place]
        if place.is_file()
        else [each for kind in ("py", "proto") for each in place.rglob(f"*.{kind}")]
    )
    found = (DEFINED.findall(each.read_text(encoding="utf-8")) for each in files)
    return {name for names in found for match in names for name in match}


@pytest.mark.parametrize("where", rows_of_the_code())
def test_every_class_of_the_glossary_is_where_it_says(where: str) -> None:
    places = [ROOT / name for name in NAMED.findall(where)] or [ROOT / "protos" / "consensus"]
    defined = {name for place in places for name in defined_in(place)}
    assert set(CLASS.findall(where)) - defined == set()


def test_one_run_is_read_in_a_dozen_files() -> None:
    rows = re.findall(r"^\| +(\d+) \| `([\w/.]+\.py)` \|", text("docs/architecture.md"), re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 13))
