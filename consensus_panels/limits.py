"""How large a panel may be; the contract says the same of each field."""

MAX_PERSONAS = 20
MAX_INSTRUCTIONS_CHARACTERS = 8_000
MAX_PANEL_BYTES = 262_144
"""Of the serialised message: a run holds its panel beside what it works on."""
