"""Whether a text has these words."""


def words_of(text: str) -> str:
    """The text with each run of white space as one space, so that where lines break does not matter."""
    return " ".join(text.split())


def find_quotation(section_text: str, words: str) -> bool:
    """Whether the section has these words, in this order and spelling; no words are in no text."""
    wanted = words_of(words)
    return bool(wanted) and wanted in words_of(section_text)
