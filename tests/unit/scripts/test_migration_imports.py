import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def imported(path: Path) -> set[str]:
    """Return the top-level packages that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, f"{path} imports relatively"
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


def test_a_migration_imports_no_code_that_may_change_under_it() -> None:
    ours = {"consensus", *(path.parent.name for path in ROOT.glob("*/__init__.py"))}
    found = {
        path.name: imported(path) & ours
        for path in (ROOT / "migrations" / "versions").glob("*.py")
        if imported(path) & ours
    }
    assert found == {}
