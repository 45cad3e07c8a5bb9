"""The panel: one file per persona, with its prompt, read as data."""
