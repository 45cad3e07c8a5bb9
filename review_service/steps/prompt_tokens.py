"""How many tokens a prompt has, about: by its characters and scripts, without any model's tokenizer. Pure."""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from consensus.v1 import panel_pb2

# Scripts that are written without spaces: Thai to Khmer, Chinese, Japanese.
_UNSPACED: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]+"
)
# Tokens a character. Lower bounds hold for today's vocabularies (100,000 entries and more), upper ones for
# those of small models too.
_LEAST_PER_UNSPACED: Final = 0.3
_LEAST_PER_LETTER: Final = 1 / 12  # a run without a space is never one token for longer than this
_LIKELY_PER_ASCII, _MOST_PER_ASCII = 1 / 4, 1 / 2
_LIKELY_PER_OTHER, _MOST_PER_OTHER = 1 / 2, 1.5
_LIKELY_PER_UNSPACED, _MOST_PER_UNSPACED = 0.9, 2.0
# So far below the least that a prompt can have, and by so many, the server did not read all of it.
_CUT_SHARE: Final = 0.8
_LEAST_CUT_TOKENS: Final = 200


class PromptTokens(NamedTuple):
    """The least, the likely and the most tokens of a prompt."""

    least: int
    likely: int
    most: int


def prompt_tokens(texts: Iterable[str]) -> PromptTokens:
    """About how many tokens these texts have, taken together."""
    least = likely = most = 0.0
    for text in texts:
        unspaced = 0 if text.isascii() else sum(map(len, _UNSPACED.findall(text)))
        ascii_count = len(text) if text.isascii() else len(text.encode("ascii", "ignore"))
        other = len(text) - ascii_count - unspaced
        words = text.split()
        letters = sum(map(len, words)) - unspaced
        least += max(len(words), letters * _LEAST_PER_LETTER) + unspaced * _LEAST_PER_UNSPACED
        likely += (
            ascii_count * _LIKELY_PER_ASCII + other * _LIKELY_PER_OTHER + unspaced * _LIKELY_PER_UNSPACED
        )
        most += ascii_count * _MOST_PER_ASCII + other * _MOST_PER_OTHER + unspaced * _MOST_PER_UNSPACED
    likely = min(max(likely, least), most) if most > least else least
    return PromptTokens(int(least), round(likely), int(max(most, least)) + 1)


def read_tokens(usage: panel_pb2.TokenUsage) -> int:
    """The tokens that a server says it read, its cache's included; 0: it did not say."""
    cached = usage.cached_tokens + usage.cache_write_tokens
    # Some gateways count cached tokens beside the others instead of among them.
    return usage.input_tokens + (cached if cached > usage.input_tokens else 0)


def was_cut(texts: Iterable[str], tokens: int) -> bool:
    """Whether a server that read so many tokens of a prompt (0: it did not say) read only a part of it."""
    texts = tuple(texts)
    characters = sum(map(len, texts))
    if not tokens or tokens * 5 >= characters * (1 if all(map(str.isascii, texts)) else 2):
        return False  # at most five characters a token: all of it, and there is no need to look closer
    least = prompt_tokens(texts).least
    return least - tokens >= _LEAST_CUT_TOKENS and tokens < _CUT_SHARE * least
