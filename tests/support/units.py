"""systemd's units of deploy/systemd as tests read them, with the drop-in that all of them have."""

from collections.abc import Iterator
from pathlib import Path

from tests.support.manifests import lines

ROOT = Path(__file__).resolve().parents[2]
SYSTEMD = ROOT / "deploy" / "systemd"
HARDENING = SYSTEMD / "consensus-.service.d" / "hardening.conf"
SETTINGS = "/etc/consensus/"
CREDENTIALS = "%d"


class Unit:
    """A service's unit: what its directives say, those of the drop-in included."""

    def __init__(self, path: Path) -> None:
        self.name = path.stem.removeprefix("consensus-")
        self._said = [*_directives(path), *_directives(HARDENING)]

    def all(self, directive: str) -> list[str]:
        """Every value of a directive, in order."""
        return [value for name, value in self._said if name == directive]

    def one(self, directive: str) -> str:
        """The value of a directive that is there once."""
        [value] = self.all(directive)
        return value

    def settings(self) -> dict[str, str]:
        """Its environment: the example's files in the place of those in /etc, then its own."""
        files = [SYSTEMD / "settings" / each.removeprefix(SETTINGS) for each in self.all("EnvironmentFile")]
        said = [line for file in files for line in lines(file)] + self.all("Environment")
        return dict(line.split("=", 1) for line in said)

    def credentials(self) -> dict[str, str]:
        """The files that it is handed, by the names under which it finds them."""
        return dict(each.split(":", 1) for each in self.all("LoadCredential"))


def units() -> dict[str, Unit]:
    """All services, by what follows `consensus-`."""
    found = [Unit(path) for path in sorted(SYSTEMD.glob("*.service"))]
    return {unit.name: unit for unit in found}


def _directives(path: Path) -> Iterator[tuple[str, str]]:
    for line in lines(path):
        name, separator, value = line.partition("=")
        if separator:
            yield name, value
