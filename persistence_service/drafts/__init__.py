"""Drafts: texts that several people write in turns before they are reviewed."""
