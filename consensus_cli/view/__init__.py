"""How a run looks while it happens: live on a terminal, in plain lines, as JSON."""
