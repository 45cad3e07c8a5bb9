"""Keyset paging with signed tokens."""
