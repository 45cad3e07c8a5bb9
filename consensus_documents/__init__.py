"""Texts as they are reviewed: their sections, and what is quoted from them. Pure; both services use it."""
