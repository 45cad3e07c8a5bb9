"""What the environment says of TLS."""

from pathlib import Path

from consensus_client.options import ClientOptions, environment_tls
from consensus_rpc.channel.channels import ChannelOptions
from consensus_rpc.security.files import ChannelTls, TlsFiles


def test_without_an_authority_all_is_plain_text() -> None:
    assert environment_tls({}) is None
    assert environment_tls({"CONSENSUS_TLS_CA": "", "CONSENSUS_TLS_CERT": "c"}) is None


def test_each_variable_names_a_file_and_one_the_server() -> None:
    found = environment_tls({f"CONSENSUS_TLS_{name}": name.lower() for name in ("CA", "CERT", "KEY", "NAME")})
    files = TlsFiles(certificate=Path("cert"), key=Path("key"), authority=Path("ca"))
    assert found == ChannelTls(files=files, server_name="name")


def test_what_the_code_says_comes_first() -> None:
    own = ChannelTls(files=TlsFiles(authority=Path("own")))
    options = ClientOptions(channel=ChannelOptions(tls=own))
    assert options.channel_options().tls == own
