"""Texts as they are reviewed: their sections, and what is quoted from them. Pure; both services use it.

Everything here is linear in the length of the text, whatever the text is.
"""

from consensus_documents.formats import detect_format
from consensus_documents.quotations import find_quotation, folded, words_of
from consensus_documents.sections import MAX_SECTIONS, Section, read_sections, section_digests

__all__ = [
    "MAX_SECTIONS",
    "Section",
    "detect_format",
    "find_quotation",
    "folded",
    "read_sections",
    "section_digests",
    "words_of",
]
