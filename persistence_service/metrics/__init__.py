"""Typed records of other backends."""
