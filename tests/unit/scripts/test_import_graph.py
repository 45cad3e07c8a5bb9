import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SETTINGS = """
[tool.importlinter]
root_packages = ["house", "stubs"]

[[tool.importlinter.contracts]]
name = "floors"
type = "layers"
containers = ["house"]
layers = ["attic", "hall | kitchen", "cellar"]
"""
FILES = {
    "house/__init__.py": "",
    "house/__main__.py": "from house.attic import box\n",
    "house/attic/__init__.py": "",
    "house/attic/box.py": "import house.hall.door\nimport os\n",
    "house/hall/__init__.py": "",
    "house/hall/door.py": "def enter():\n    from house.hall.mat import text\n",
    "house/hall/mat.py": "from house.cellar.jar import (\n    lid,\n)\n",
    "house/kitchen/__init__.py": "",
    "house/kitchen/stove.py": "",
    "house/cellar/__init__.py": "",
    "house/cellar/jar.py": "lid = 1\n",
    "gen/stubs/__init__.py": "import house.attic.box\n",
}
CLEAN = """\
room                                 modules  lines  arrows inside  floors inside
house.__init__                             1      0              0              1
house.__main__                             1      1              0              1
house.attic                                2      2              0              1
house.cellar                               2      1              0              1
house.hall                                 3      5              1              2
house.kitchen                              2      0              0              1

arrows, with the number of imports
house.__init__ -> nothing
house.__main__ -> house.attic 1
house.attic -> house.hall 1
house.cellar -> nothing
house.hall -> house.cellar 1
house.kitchen -> nothing

6 rooms, 11 modules, 3 arrows, 4 floors
no circle, no arrow upward
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository of a small house, committed."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    (tmp_path / "pyproject.toml").write_text(SETTINGS, encoding="utf-8")
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    identity = ["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "house"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def run(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "scripts/import_graph.py", *arguments],
        cwd=tree, check=False, capture_output=True, text=True,
    )  # fmt: skip


def test_rooms_and_arrows_are_counted(tree: Path) -> None:
    done = run(tree)
    assert (done.returncode, done.stdout) == (0, CLEAN)


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (
            "house/cellar/jar.py",
            "circle: house.attic, house.cellar, house.hall\nupward: house.cellar -> house.attic",
        ),
        ("house/kitchen/stove.py", "upward: house.kitchen -> house.attic"),
    ],
    ids=["circle", "upward"],
)
def test_a_circle_and_an_arrow_upward_are_named_but_not_in_the_revision_before(
    tree: Path, file: str, said: str
) -> None:
    (tree / file).write_text("from house.attic.box import letters\n", encoding="utf-8")
    done = run(tree)
    assert done.returncode == 1
    assert done.stdout.endswith(f" floors\n{said}\n")
    assert run(tree, "--at", "HEAD").stdout == CLEAN
