"""Channels to other services: connections, deadlines, errors as they stood on the wire."""
