"""Sentences and negation in English text, by rules: just enough to tell "stored" from "never stored"."""

import re
import unicodedata

_QUOTES_AND_DASHES = str.maketrans("\u2019\u2018\u02bc\u2010\u2011\u2013\u2014", "'''---;")
_BLOCK_BREAK = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*•#]|\d+[.)])\s)")
_BLOCK_MARK = re.compile(r"^\s*(?:[-*•]|#+|\d+[.)])\s+")
_SENTENCE_END = re.compile("[.!?\u3002\uff01\uff1f]+[\"'\u201d\u2019)\\]]*(?=\\s|$)")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"'])(?:e\.g|i\.e|etc|vs|cf|approx|incl|resp|no|dr|mr|mrs|ms|st|u\.s|a\.m|p\.m)\.$",
    re.IGNORECASE,
)
_PRONOUN = re.compile(r"\b(?:they|them|these|those|it)\b", re.IGNORECASE)

PROTECTION = (
    r"(?:hash\w*|salt(?:ed|s|ing)?|encrypt\w*|argon2\w*|bcrypt|scrypt|pbkdf2|mask\w*|redact\w*"
    r"|tokeni[sz]\w*|vault\w*|anonymi[sz]\w*)"
)
_PROTECTED = re.compile(rf"\b{PROTECTION}", re.IGNORECASE)

# A word that turns what follows into its opposite. What is denied may stand some words later.
_NEGATOR = re.compile(
    rf"""
    (?P<idle>\b(?:not|never)\s+(?:only|just|merely|mind|stop|avoid|prevent|forbid|refuse)\b
       |\bno\s+(?:matter|doubt)\b)
    | (?P<scope>\b(?:out\s+of\s+scope|non-?goals?|not\s+in\s+scope)\b\s*(?:is|are|:|-)?)
    | (?:(?P<hard>\b(?:never|not|nor|neither|nothing|nobody|none|cannot)\b|\b\w+n't\b)
       | (?P<soft>\b(?:no|without|instead\s+of|rather\s+than)\b)
       | (?P<swap>\breplac\w+|\bmigrat\w+\s+(?:away\s+)?from|\bmov\w+\s+(?:away\s+)?from)
       | (?P<verb>\b(?:avoid\w*|prevent\w*|forbid\w*|prohibit\w*|ban(?:s|ned|ning)?|stop(?:s|ped|ping)?
         |eliminat\w+|remov\w+
         |reject\w*|refus\w+|detect\w*|flag(?:s|ged)?|scan(?:s|ned|ning)?|warn\w*|alert\w*
         |block(?:s|ed|ing)?|against)\b))
      (?!\s+(?:\w+\s+){{0,2}}{PROTECTION}\b)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_SUBJECT = r"(?:we|they|it|i|support|staff|everyone|anyone|just|simply|instead|so|then|which|let|lets)\b"
_AUXILIARY = r"(?:are|is|was|were|will|be|has|have)\b"
_VERB = (
    r"(?:store|stores|keep|keeps|save|saves|write|writes|send|sends|log|logs|e-?mails?"
    r"|shows?|allows?|gives?|shares?|sells?|puts?|disables?"
    r"|turns?|skips?|runs?|executes?|hard-?codes?|also)\b"
)
_NEW_THOUGHT = (
    r";|:|\s-\s|\b(?:but|however|although|though|so\s+that|because|while|yet|then|except|unless|until|otherwise"
    r"|whereas)\b"
    rf"|,\s*(?:and\s+)?{_SUBJECT}"
)
_AND_CLAUSE = re.compile(rf",?\s*\band\s+(?:{_SUBJECT}|{_AUXILIARY})", re.IGNORECASE)
_AND_VERB = re.compile(rf",?\s*\band\s+{_VERB}", re.IGNORECASE)
_BREAK = re.compile(_NEW_THOUGHT, re.IGNORECASE)
_SOFT_BREAK = re.compile(rf"{_NEW_THOUGHT}|,\s*(?:{_AUXILIARY}|{_VERB})", re.IGNORECASE)
_SWAP_BREAK = re.compile(rf"{_NEW_THOUGHT}|\b(?:with|by|to)\b", re.IGNORECASE)
_ONE_WORD = re.compile(r"\s*[\w-]+\s*\Z")
_EXCEPTION = re.compile(r"\b(?:except|unless)\b", re.IGNORECASE)
_RULED_OUT = re.compile(
    r"""[^;:,.]{0,40}?\b(?:
      (?:is|are|be|was|were|stays?|remains?)\s+(?:strictly\s+|always\s+)?(?:forbidden|prohibited|banned|refused|rejected
        |blocked        |impossible|unacceptable|out\s+of\s+scope|ruled\s+out|excluded|a\s+non-?goal|against)
      | (?:is|are|was|were|must|will|shall|should|can|may|do|does)\s+(?:never|not)
      | (?:is|are|wo|must|should|ca|do|does)n't | cannot )\b""",
    re.IGNORECASE | re.VERBOSE,
)
_RULED_OUT_STOP = re.compile(r"\b(?:so|because|and|but|that|which|where|when|if|to)\b", re.IGNORECASE)


REACH = 400
"""Characters within which words bear on each other, lest an endless sentence take quadratic time."""


def normalise(text: str) -> str:
    """Return the text with compatibility forms, quotes and dashes made plain, so that one pattern fits."""
    return unicodedata.normalize("NFKC", text).translate(_QUOTES_AND_DASHES)


def paragraphs(text: str) -> list[list[str]]:
    """Split text into paragraphs (or list items) of trimmed sentences; an abbreviation ends no sentence."""
    blocks = (_sentences(block) for block in _BLOCK_BREAK.split(text))
    return [block for block in blocks if block]


def join(pieces: list[str]) -> str:
    """Join sentences so that `paragraphs` finds the same ones again."""
    return "".join(
        piece if not index else (" " if _ends(pieces[index - 1]) else "\n\n") + piece
        for index, piece in enumerate(pieces)
    )


def _sentences(block: str) -> list[str]:
    line = " ".join(_BLOCK_MARK.sub("", block).split())
    found: list[str] = []
    start = 0
    for mark in _SENTENCE_END.finditer(line):
        if mark.end() == len(line) or _ABBREVIATION.search(line[start : mark.end()]) is None:
            found.append(line[start : mark.end()].strip())
            start = mark.end()
    found.append(line[start:].strip())
    return [sentence for sentence in found if sentence]


def _ends(sentence: str) -> bool:
    marks = list(_SENTENCE_END.finditer(sentence))
    return bool(marks) and marks[-1].end() == len(sentence) and _ABBREVIATION.search(sentence) is None


def refers_back(sentence: str) -> bool:
    """Tell whether the sentence leans on the one before it through a pronoun."""
    return _PRONOUN.search(sentence) is not None


def mentions_protection(text: str) -> bool:
    """Tell whether hashing, encryption, masking or the like is named."""
    return _PROTECTED.search(text) is not None


def is_denied(sentence: str, start: int, end: int) -> bool:
    """Tell whether sentence[start:end] is denied: by a negator before it or a verdict after it."""
    if ends_denied(sentence[max(0, start - REACH) : start]):
        return _EXCEPTION.search(sentence, end, end + REACH) is None
    verdict = _RULED_OUT.match(sentence, end)
    return verdict is not None and _RULED_OUT_STOP.search(verdict.group()) is None


def has_negator(text: str) -> bool:
    """Tell whether the text contains a word that turns what follows into its opposite."""
    return any(found.lastgroup != "idle" for found in _NEGATOR.finditer(text))


def ends_denied(before: str) -> bool:
    """Tell whether what comes after this text is denied by a negator in it."""
    return any(
        found.lastgroup != "idle" and not _scope_ends(found.lastgroup, before[found.end() :])
        for found in _NEGATOR.finditer(before)
    )


def _scope_ends(kind: str | None, gap: str) -> bool:
    if kind == "scope":
        return ";" in gap or "but" in gap.split()
    breaks = {"soft": _SOFT_BREAK, "swap": _SWAP_BREAK}.get(kind or "", _BREAK)
    if breaks.search(gap) or _AND_CLAUSE.search(gap):
        return True
    joint = _AND_VERB.search(gap)
    # "never log and store X" denies both verbs; "never expire sessions and store X" denies only the first.
    return joint is not None and _ONE_WORD.match(gap[: joint.start()]) is None
