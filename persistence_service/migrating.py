"""The schema and its revisions: where it stands, whether this code fits it, and bringing it to head."""

from sqlalchemy import Engine


def bring_to_head(engine: Engine, *, migrate: bool) -> None:
    """Placeholder until the first revision stands."""
