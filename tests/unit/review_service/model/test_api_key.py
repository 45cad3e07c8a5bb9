"""What is refused as a key at start."""

import pytest

from review_service.model.api_key import check_api_key


@pytest.mark.parametrize(
    "key",
    [
        "changeme", "CHANGE_ME", "change-me-please", "your-api-key", "your_api_key_here", "YOUR-OPENAI-KEY",
        "sk-xxx", "sk-xxxxxxxxxxxxxxxx", "sk-...", "sk-proj-xxxx", "sk-your-key", "sk-your-key-here",
        "<your key>", "<OPENAI_API_KEY>", "${OPENAI_API_KEY}", "{{ key }}", "[key]", "api-key", "API_KEY",
        "openai_api_key", "todo", "none", "placeholder-1", "replace-me", "insert-key-here", "***",
    ],
)  # fmt: skip
def test_a_placeholder_is_refused_without_repeating_it(key: str) -> None:
    problem = check_api_key(key)

    assert problem is not None
    assert key not in problem


@pytest.mark.parametrize("key", ["sk-a b", "sk-abc\n", " sk-abc", "sk-ä", "sk-\0"])
def test_what_cannot_stand_in_a_header_is_refused(key: str) -> None:
    assert check_api_key(key) is not None


@pytest.mark.parametrize(
    "key",
    ["sk-0123456789abcdef", "sk-proj-Ab_9-z", "offline", "sk-offline", "test", "0f8fad5b", "sk-mykey123"],
)
def test_anything_else_may_be_a_key(key: str) -> None:
    assert check_api_key(key) is None
