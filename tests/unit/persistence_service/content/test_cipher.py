import pytest

from persistence_service.content.cipher import NotSealedWithThisKeyError, new_key, seal, unseal

KEY = new_key()


@pytest.mark.parametrize("plain", [b"", b"x", bytes(range(256)) * 100])
def test_what_was_sealed_opens_with_its_key_in_its_place(plain: bytes) -> None:
    assert unseal(KEY, seal(KEY, plain, "runs.idea"), "runs.idea") == plain


def test_the_same_content_is_never_sealed_alike() -> None:
    assert len({seal(KEY, b"same", "p") for _ in range(100)}) == 100


@pytest.mark.parametrize("change", [0, 16, 28, -1])
def test_a_changed_value_does_not_open(change: int) -> None:
    sealed = bytearray(seal(KEY, b"content", "p"))
    sealed[change] ^= 1
    with pytest.raises(NotSealedWithThisKeyError):
        unseal(KEY, bytes(sealed), "p")


@pytest.mark.parametrize("length", [0, 5, 16, 28, -1])
def test_a_cut_value_does_not_open(length: int) -> None:
    with pytest.raises(NotSealedWithThisKeyError):
        unseal(KEY, seal(KEY, b"content", "p")[:length], "p")


def test_it_opens_in_no_other_place_and_with_no_other_key() -> None:
    sealed = seal(KEY, b"content", "runs.idea")
    for key, place in ((KEY, "runs.context"), (new_key(), "runs.idea")):
        with pytest.raises(NotSealedWithThisKeyError):
            unseal(key, sealed, place)
