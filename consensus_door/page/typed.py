"""What somebody typed into a form."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Typed:
    """Text for its form, where it was not taken; empty where the form is shown for the first time."""

    text: str = ""
    user: str = ""
    key: str = ""
    """The form's idempotency key, where sending it again must have no second effect."""
