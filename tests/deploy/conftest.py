"""Manifests as kustomize builds them, and the schemas that they are held against; and what was left out."""

import pytest

from tests.deploy.tools import GO_KUSTOMIZE, kustomize
from tests.support.leaving_out import leave_out, name_left_out
from tests.support.manifests import KUBERNETES


@pytest.fixture(scope="session")
def example() -> str:
    """The example overlay, built."""
    build = kustomize()
    if build is None:
        leave_out(f"Kubernetes: neither kustomize nor kubectl found, nor Go to install {GO_KUSTOMIZE}")
    return build(KUBERNETES / "overlays" / "example")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Names each part that was not tried, and why."""
    name_left_out(terminalreporter)
