"""How drafts spell enums and show authors."""

import pytest

from consensus.v1 import draft_pb2
from persistence_service.drafts import names


@pytest.mark.parametrize(
    ("user", "shown"),
    # The last six digits of `printf '%s' USER | sha1sum`.
    [("ben", "@u_df0a64"), ("", "@u_d80709"), ("zo\u00eb", "@u_e26375")],
    ids=["ascii", "empty", "beyond ascii"],
)
def test_an_author_is_shown_by_the_end_of_a_digest(user: str, shown: str) -> None:
    assert names.author_display(user) == shown


def test_platforms_are_spelt_as_people_do() -> None:
    assert [names.platform_text(number) for number in draft_pb2.DraftPlatform.values()] == [
        "",
        "x",
        "instagram",
        "tiktok",
        "youtube",
    ]


def test_every_value_is_read_back_as_it_was_written() -> None:
    for platform in draft_pb2.DraftPlatform.values():
        assert names.platform_number(names.platform_text(platform)) == platform
    for state in draft_pb2.DraftState.values()[1:]:
        assert names.state_number(names.state_text(state)) == state
    for role in draft_pb2.CollaboratorRole.values()[1:]:
        assert names.role_number(names.role_text(role)) == role


def test_every_state_of_an_invitation_has_its_word() -> None:
    words = (names.PENDING, names.ACCEPTED, names.DECLINED, names.REVOKED, names.EXPIRED)
    assert [names.invitation_state_number(word) for word in words] == draft_pb2.InvitationState.values()[1:]
