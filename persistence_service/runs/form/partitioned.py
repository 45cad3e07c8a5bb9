"""Which tables an operator may have partitioned by time: those that hold what was written of a run.

They are only ever added to, and read by the ids of runs alone, so that each statement names the partitions it
needs before it is planned. Not so:

- `runs` change until they end, and are listed in a dozen ways; specifications and materials are joined to
  those lists by columns, and each page would be planned over all partitions.
- `attempts` are changed once each, many in one statement that joins them to what is given, likewise.
- the journal is never purged, and listed by time over all streams;
- events are purged by when they were stored, and listed by when they happened; metrics change;
- what people say about runs is little, and listed by time.
"""

from typing import Final

from persistence_service.runs.form.tables import PAYLOADS, REVISIONS

TABLES: Final = (REVISIONS, *PAYLOADS.values())
PARTITIONED: Final = frozenset(table.name for table in TABLES)
"""Their names."""
