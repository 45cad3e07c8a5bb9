"""A statement that goes before another one, in one round trip to PostgreSQL.

Where nothing is distributed: there are no several servers then to which each would have to go by itself. On
SQLite it is left out.
"""

from typing import Any

from sqlalchemy import Connection, Engine, event

PRECEDED_BY = "consensus_preceded_by"
"""Execution option of a statement: the text of the one before it, which answers nothing."""


def send_together(engine: Engine) -> None:
    """Has the engine send statements with what precedes them."""
    event.listen(engine, "before_cursor_execute", _preceded, retval=True)


def _preceded(
    _connection: Connection, _cursor: Any, text: str, parameters: Any, context: Any, _many: bool
) -> tuple[str, Any]:
    first = context.execution_options.get(PRECEDED_BY)
    return (f"{first}; {text}" if first else text), parameters
