"""How runs look: their tables, keys and payloads, between the wire and the rows; pure."""
