import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "scripts" / "audit.py"


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    specification = importlib.util.spec_from_file_location("audit", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("licence", "is_accepted"),
    [
        ("MIT", True),
        ("Apache-2.0 AND MIT", True),
        ("BSD License", True),
        ("GNU Library or Lesser General Public License (LGPL)", True),
        ("GPL-3.0-only OR MIT", True),
        ("GPL-3.0-only", False),
        ("GPL-3.0-only AND MIT", False),
        ("GNU Affero General Public License v3", False),
        ("Proprietary", False),
        ("", False),
    ],
)
def test_a_licence_is_accepted_that_binds_nothing_made_with_the_library(
    audit: ModuleType, licence: str, is_accepted: bool
) -> None:
    assert audit.is_accepted(licence) is is_accepted


def test_what_nobody_answered_for_is_not_called_free_of_vulnerabilities(
    audit: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    skipped = [{"name": "aiohttp", "skip_reason": "not found"}]
    assert not audit.report_vulnerabilities(skipped, is_strict=False)
    assert audit.report_vulnerabilities(skipped, is_strict=True)
    assert "NOT LOOKED UP" in capsys.readouterr().out


def test_a_known_vulnerability_fails_and_names_the_release_that_mends_it(
    audit: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    fault = {"id": "PYSEC-1", "fix_versions": ["2.0"]}
    found = [{"name": "a", "version": "1", "vulns": [fault]}, {"name": "b", "version": "1", "vulns": []}]
    assert audit.report_vulnerabilities(found, is_strict=False)
    assert "VULNERABLE  a 1: PYSEC-1, mended in 2.0" in capsys.readouterr().out
