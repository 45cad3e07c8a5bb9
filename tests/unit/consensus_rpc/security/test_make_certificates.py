"""Certificates for development: readable by their owner alone, never written over unasked."""

import stat
from pathlib import Path

import pytest
from cryptography import x509

from consensus_rpc.security.make_certificates import main


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_each_gets_a_certificate_with_its_names_and_a_key_of_its_owner_alone(tmp_path: Path) -> None:
    assert main([str(tmp_path / "certs")]) == 0
    written = content(tmp_path / "certs")
    assert set(written) == {
        f"{name}.{kind}"
        for name in ("authority", "persistence", "review", "door", "client")
        for kind in ("pem", "key")
    }
    for path in (tmp_path / "certs").glob("*.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    names = x509.load_pem_x509_certificate(written["review.pem"]).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.value.get_values_for_type(x509.UniformResourceIdentifier) == ["spiffe://consensus/review"]
    assert names.value.get_values_for_type(x509.DNSName) == ["review", "localhost"]


def test_nothing_is_written_over_unless_it_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "certs"
    main([str(folder)])
    before = content(folder)
    assert main([str(folder)]) == 1
    assert "nothing was written" in capsys.readouterr().err
    assert main([str(folder), "--keep"]) == 0
    assert content(folder) == before
    assert main([str(folder), "--renew"]) == 0
    after = content(folder)
    assert {name for name in before if before[name] != after[name]} == {
        name for name in before if not name.startswith("authority")
    }


def test_what_is_new_since_is_made_by_the_authority_that_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "certs"
    main([str(folder)])
    before = content(folder)
    for kind in ("pem", "key"):
        (folder / f"door.{kind}").unlink()
    assert main([str(folder), "--keep"]) == 0
    after = content(folder)
    assert {name for name in before if before[name] != after[name]} == {"door.pem", "door.key"}
    x509.load_pem_x509_certificate(after["door.pem"]).verify_directly_issued_by(
        x509.load_pem_x509_certificate(after["authority.pem"])
    )


def test_what_others_put_there_stays_too(tmp_path: Path) -> None:
    (tmp_path / "client.key").write_bytes(b"mine")
    assert main([str(tmp_path)]) == 1
    assert main([str(tmp_path), "--renew"]) == 1
    assert content(tmp_path) == {"client.key": b"mine"}
