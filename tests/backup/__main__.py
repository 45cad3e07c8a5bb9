"""`make drill`: on both databases a loaded pair loses all, and is restored as docs/backup.md says."""

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.backup.drill import Report, drill
from tests.backup.places import Place, PostgresPlace, SqlitePlace
from tests.support.postgres import Cluster
from tests.support.processes import forking

_SECONDS = 600.0
"""For both databases, on a machine that is busy with something else too."""


async def _both(folder: Path, cluster: Cluster) -> list[Report]:
    places: list[Place] = [SqlitePlace(_made(folder / "sqlite")), PostgresPlace(cluster)]
    async with asyncio.timeout(_SECONDS):
        return [await drill(place, _made(folder / f"{place.name}-stack")) for place in places]


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _told(report: Report) -> str:
    times = f"restored {report.restore_seconds:.1f} s after the loss; {report.seconds:.0f} s in all"
    lines = [
        f"{report.database}: {times}",
        f"  runs that callers had been told of: {report.acknowledged_runs}; lost: {report.lost_runs}",
        f"  events that callers had been told and that are lost: {report.lost_events}",
        f"  streams that the kept checkpoints name as cut off: {report.named_streams}",
        f"  runs under way at the restored moment that have ended since: {report.resumed_runs}",
        *(f"  WRONG: {fault}" for fault in report.faults),
    ]
    return "\n".join(lines)


def main() -> int:
    """Run it; 0 when whatever was lost was named, and the rest went on."""
    with (
        forking(),
        tempfile.TemporaryDirectory(prefix="consensus-drill-") as folder,
        Cluster() as cluster,
    ):
        reports = asyncio.run(_both(Path(folder), cluster))
    print("\n".join(map(_told, reports)))
    return 1 if any(report.faults for report in reports) else 0


if __name__ == "__main__":
    sys.exit(main())
