"""A webhook has the id of the one end that it tells of."""

from consensus_journal import FIRST_PREVIOUS_HASH, Entry
from persistence_service.runs.form import event_types
from persistence_service.webhooks.message import delivery_row, message_id


def id_of_end(event_type: str, *, tenant: str = "default") -> str:
    """The id of what is told when the seventh entry of a run ends it."""
    entry = Entry(
        tenant=tenant, stream="runs/r-1", sequence=7, event_time_us=1, event_type=event_type, caller="me",
        user="", request_id="q-1", severity=1, persona_id=None, data={}, record_id=None, payload_digest=None,
        previous_hash=FIRST_PREVIOUS_HASH,
    )  # fmt: skip
    return message_id(delivery_row(entry, {})["message"])


def test_an_end_has_one_id() -> None:
    told = id_of_end(event_types.RUN_COMPLETED)
    assert told == id_of_end(event_types.RUN_COMPLETED)
    assert told.startswith("r-1_7_")


def test_a_run_that_a_restored_database_ends_anew_has_another() -> None:
    """What was told before the loss is no word on how it ended since, though it is the same entry."""
    assert id_of_end(event_types.RUN_COMPLETED) != id_of_end(event_types.RUN_CANCELLED)
    assert id_of_end(event_types.RUN_COMPLETED) != id_of_end(event_types.RUN_COMPLETED, tenant="acme")
