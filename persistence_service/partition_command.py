"""`partition`: the tables of runs by time, on PostgreSQL."""

from enum import StrEnum
from typing import Annotated

import typer
from sqlalchemy.exc import IntegrityError, ProgrammingError

from persistence_service.commands import end_with, load_settings, maintained
from persistence_service.database.faults import first_line
from persistence_service.database.migrating import bring_to_head
from persistence_service.database.partitioning import WIDTHS, partition
from persistence_service.runs.form.partitioned import PARTITIONED

commands = typer.Typer()


class Span(StrEnum):
    """How long a partition is."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@commands.command("partition")
def partition_runs(
    by: Annotated[Span, typer.Option(help="How long a partition is.")] = Span.WEEK,
) -> None:
    """Partition what is written of runs by time, while services go on; on PostgreSQL, as the tables' owner.

    What is there becomes the first partition, without being copied. Old partitions are dropped when their
    runs are purged (RUN_RETENTION_DAYS). It cannot be taken back but by restoring into another database.
    """
    settings = load_settings()
    if settings.database_options().backend == "sqlite":
        end_with("SQLite knows no partitions: leave the database as it is", code=2)
    if settings.db_distributed:
        end_with("DB_DISTRIBUTED: partitions are not known to a database that is distributed", code=2)
    with maintained(settings, as_owner=True) as database, database.maintenance() as engine:
        bring_to_head(engine, engine, migrate=False)
        try:
            partition(engine, PARTITIONED, WIDTHS[by.value], typer.echo)
        except ProgrammingError as error:
            end_with(f"the tables were not partitioned: {first_line(error)}")
        except IntegrityError as error:
            end_with(f"there are runs whose ids say that they are yet to come: {first_line(error)}")
