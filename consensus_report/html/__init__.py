"""Fragments of HTML without script and inline style, and `fragments.css`, with which they look right."""
