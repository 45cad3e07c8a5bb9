"""A dangerous wish is recognised, and its denial is not taken for it."""

import pytest

from offline_model.expansion import expand
from offline_model.reviews import PERSONAS, review
from offline_model.signals import read_signals

RISKY = {
    "Store customers' passwords in plain text so that support can read them back": "plain_text_secrets",
    "Store customers\u2019 passwords in plain text.": "plain_text_secrets",
    "We collect passwords. They are stored in plain text.": "plain_text_secrets",
    "Passwords never expire and are stored in plain text.": "plain_text_secrets",
    "Disable authentication on the admin page to make it faster.": "authentication_off",
    "Log full card numbers for debugging.": "secrets_in_logs",
    "Log each request with the user's password.": "secrets_in_logs",
    "Share customers' personal data with advertisers without their consent.": "no_consent",
    "Sell location data to insurers.": "no_consent",
    "Hard-code the API key in the mobile app.": "hard_coded_keys",
    "Put the signing key into the git repository.": "hard_coded_keys",
    "Run user-supplied code on our servers.": "foreign_code",
    "Execute scripts that customers upload.": "foreign_code",
    "Turn off TLS between the services to save CPU.": "encryption_off",
    "Backups of patient records are not encrypted.": "plain_text_secrets",
    "Do not hash passwords.": "plain_text_secrets",
    "Do not encrypt passwords, store them as they are.": "plain_text_secrets",
    "Not only store passwords in plain text but also e-mail them.": "plain_text_secrets",
    "Store passwords without hashing.": "plain_text_secrets",
    "Let anyone read account data without logging in.": "authentication_off",
    "Instead of hashing, store passwords in plain text.": "plain_text_secrets",
    "We never expire sessions, and we store passwords in plain text.": "plain_text_secrets",
    "Support should see the customer's password.": "plain_text_secrets",
    "Never store passwords in plain text, except for VIPs.": "plain_text_secrets",
    "The API key is hard-coded.": "hard_coded_keys",
    "Stop hashing passwords and keep them in clear text.": "plain_text_secrets",
    "Passwords were hashed but will be stored in plain text.": "plain_text_secrets",
    "Don't bother with encryption; keep the API keys in plain text files.": "plain_text_secrets",
    "Skip the login check for internal users.": "authentication_off",
    "Secretly record the users' screens.": "no_consent",
    "Store card numbers and CVV for later.": "secrets_in_logs",
    "There is no budget, so store passwords in plain text.": "plain_text_secrets",
    "Passwords are kept unencrypted.": "plain_text_secrets",
    "Build queries by concatenating user input into SQL.": "foreign_code",
    "Send customers their password by e-mail.": "plain_text_secrets",
    "Tokens are never shared, but they are written to the logs.": "secrets_in_logs",
    "Logins are out of scope, but passwords are stored in plain text.": "plain_text_secrets",
}

SAFE = [
    "Never store passwords in plain text.",
    "never in plain text",
    "Passwords are not stored in plain text.",
    "Passwords are stored hashed, never in plain text.",
    "Do not log passwords.",
    "Do not log or store passwords in plain text.",
    "Never log and store passwords in plain text.",
    "Passwords are never logged, stored in plain text or e-mailed.",
    "No passwords, tokens or keys are kept in plain text.",
    "Storing passwords in plain text is forbidden.",
    "Passwords in plain text are never stored.",
    "Hash passwords with Argon2id instead of storing them in plain text.",
    "Replace plain-text passwords with passkeys.",
    "Today passwords are stored in plain text; we will hash them with Argon2id.",
    "No data is shared without consent.",
    "Personal data is never shared with third parties without consent.",
    "No admin page can be reached without authentication.",
    "Authentication must never be disabled.",
    "Do not disable authentication.",
    "There are no hard-coded keys.",
    "Reject commits that contain hard-coded keys.",
    "Run user-supplied scripts only in a sandbox without network.",
    "We do not run user-supplied code.",
    "Nothing leaves the device without encryption.",
    "Let visitors read opening hours without logging in.",
    "Send plain text emails with a link to reset the password.",
    "Passwords are hashed and the newsletter is sent as plain text.",
    "Log in with your password.",
    "Log failed attempts without the password.",
    "Users can reset their password and see the password strength.",
    "Passwords aren't stored in plain text.",
    "We won't sell customer data.",
    "Out of scope: storing passwords in plain text.",
    "Card numbers are never stored; the payment provider returns a token.",
    "Passwords are not encrypted but hashed with Argon2id.",
    "Under no circumstances may support read customers' passwords.",
    "Passwords must never be stored in plain text, e.g. in a log or a spreadsheet.",
    "Detect API keys in plain text in commits and warn the author.",
    "The tool finds nothing; no secrets in the logs.",
    "Keep secrets out of the source code.",
    "Support can not see passwords.",
    "Share a shopping list with your family.",
    "Show a password prompt.",
    "Neither passwords nor tokens are written to logs.",
    "The export is a plain text file with the opening hours.",
    "Users log in with a token.",
    "Add dark mode to the settings page.",
]


@pytest.mark.parametrize(("idea", "risk"), RISKY.items(), ids=RISKY.keys())
def test_a_dangerous_idea_draws_a_security_critical_blocking_issue_and_a_low_score(
    idea: str, risk: str
) -> None:
    answer = review("security_guardian", expand(idea).signals())

    assert risk in read_signals(idea).risks
    assert any(issue["security_critical"] is True for issue in answer["blocking_issues"])
    assert answer["confidence_score"] <= 0.4


@pytest.mark.parametrize("idea", SAFE)
def test_an_idea_that_denies_the_danger_draws_no_veto(idea: str) -> None:
    signals = expand(idea).signals()

    assert read_signals(idea).risks == {}
    assert [
        issue
        for persona in PERSONAS
        for issue in review(persona, signals)["blocking_issues"]
        if issue["security_critical"]
    ] == []


@pytest.mark.parametrize("persona", [persona for persona in PERSONAS if persona != "security_guardian"])
def test_only_the_security_guardian_calls_an_issue_security_critical(persona: str) -> None:
    signals = read_signals("Store customers' passwords in plain text.")

    assert all(
        issue["security_critical"] is not True for issue in review(persona, signals)["blocking_issues"]
    )


def test_the_blocking_issue_quotes_the_sentence_that_caused_it() -> None:
    signals = read_signals("We sell tea. Log full card numbers for debugging. Tea is good.")

    [issue] = review("security_guardian", signals)["blocking_issues"]

    assert "Log full card numbers for debugging." in issue["text"]
