"""Persistence in the panel's words: runs begun, recorded, held and given back."""
