"""Connections: how they are bounded, and how the process ends."""
