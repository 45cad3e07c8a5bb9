"""What keeps a model from answering, told apart in the failure itself, over real connections."""

import asyncio
import json
import resource
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from consensus_contract.errors import reason_name
from offline_model.control_client import ControlClient
from offline_model.script import Rule
from offline_model.server import OfflineModel
from review_service.model.client import ModelClient, ModelOptions
from review_service.model.model_call import CallFailure, ModelAnswer
from tests.support.certificates import self_signed
from tests.support.engine import model_call
from tests.support.loopback import listening
from tests.support.raw_provider import KEY, answering, http, message, serving

REJECTED = "LLM_REQUEST_REJECTED"
TOO_LONG = "LLM_CONTEXT_TOO_LONG"
QUOTA = "LLM_QUOTA_EXHAUSTED"


async def failed(raw: bytes) -> CallFailure:
    async with answering(raw) as model:
        failure = await model.call(model_call(), 5)
    assert isinstance(failure, CallFailure)
    return failure


async def unreached(base_url: str, timeout_seconds: float = 5) -> CallFailure:
    model = ModelClient(ModelOptions(api_key=KEY, base_url=base_url))
    try:
        failure = await model.call(model_call(), timeout_seconds)
    finally:
        await model.aclose()
    assert isinstance(failure, CallFailure)
    return failure


def error(status: str, *headers: str, **fields: object) -> bytes:
    return http(json.dumps({"error": fields}).encode(), *headers, status=status)


@pytest.mark.parametrize(
    ("raw", "reason", "cause"),
    [
        (error("402 Pay", message="Payment required"), QUOTA, "quota"),
        (error("400 No", type="budget_exceeded", code="400"), QUOTA, "quota"),
        (error("400 No", code="billing_hard_limit_reached"), QUOTA, "quota"),
        (error("403 No", code="billing_not_active"), QUOTA, "quota"),
        (error("404 No", code="model_not_found"), REJECTED, "model_not_found"),
        (error("403 No", code="model_not_found"), REJECTED, "model_not_found"),
        (error("404 No", type="invalid_request_error", code=None), REJECTED, "path_not_found"),
        (http(b"<html>404</html>", "Content-Type: text/html", status="404 No"), REJECTED, "path_not_found"),
        (http(b"", status="405 No"), REJECTED, "path_not_found"),
        (error("404 No", message="The model `m` does not exist"), REJECTED, "model_not_found"),
        (error("404 No", message='model "m" not found, try pulling it first'), REJECTED, "model_not_found"),
        (error("400 No", param="model", message="gone"), REJECTED, "model_not_found"),
        (error("403 No", code="model_retired"), REJECTED, "model_not_found"),
        (error("400 No", message="Unknown endpoint /v1/responses"), REJECTED, "path_not_found"),
        (error("400 No", code="context_length_exceeded", param="input"), TOO_LONG, "context_too_long"),
        (error("400 No", type="exceed_context_size_error"), TOO_LONG, "context_too_long"),
        (
            error("400 No", message="This model's maximum context length is 4096 tokens."),
            TOO_LONG,
            "context_too_long",
        ),
        (error("413 No", message="prompt is too long: 210000 tokens"), TOO_LONG, "context_too_long"),
        (error("403 No", code="unsupported_country_region_territory"), REJECTED, "region"),
        (http(b"<html>Just a moment", "Content-Type: text/html", status="403 No"), REJECTED, "bot_challenge"),
        (http(b"", "cf-mitigated: challenge", status="403 No"), REJECTED, "bot_challenge"),
        (http(b"", "Location: http://127.0.0.1:9/", status="308 There"), REJECTED, "redirect"),
    ],
)
async def test_what_somebody_can_mend_is_told_apart_and_not_called_malformed(
    raw: bytes, reason: str, cause: str
) -> None:
    failure = await failed(raw)

    assert (reason_name(failure.reason), failure.cause) == (reason, cause)
    assert failure.is_setting  # resuming helps, once it is mended
    assert "malformed" not in failure.message


async def test_a_request_that_is_at_fault_itself_is_no_matter_of_settings() -> None:
    assert not (await failed(error("422 No", code="invalid_value"))).is_setting


async def test_what_a_400_says_stands_with_it_and_its_names_in_the_message() -> None:
    failure = await failed(
        error(
            "400 No",
            message="Unsupported parameter: 'temperature' is not supported with this model.",
            type="invalid_request_error",
            param="temperature",
            code="unsupported_parameter",
        )
    )

    said = failure.provider
    assert (said.code, said.kind, said.param) == (
        "unsupported_parameter",
        "invalid_request_error",
        "temperature",
    )
    assert said.message.startswith("Unsupported parameter")
    assert failure.message == (
        "The provider answered 400 (unsupported_parameter, invalid_request_error, parameter temperature)."
    )


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error": "out of memory"}', "out of memory"),
        (b'{"detail": [{"loc": ["body"], "msg": "field required"}]}', "field required"),
        (b'{"errors": [{"message": "no"}]}', "no"),
        (b'[{"error": {"code": 400, "message": "no"}}]', "no"),
        (b'{"message": "no", "code": 5}', "no"),
        (b"upstream connect error", "upstream connect error"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b'{"error": {"message": {"a": 1}}}', ""),
        (json.dumps({"error": {"message": "a\nb\x1b[2J\u202ec\ud800" + "x" * 5_000}}).encode(),
         "a b [2Jc" + "x" * 992),
    ],
)  # fmt: skip
async def test_the_providers_words_are_found_wherever_they_stand_clean_and_short(
    body: bytes, words: str
) -> None:
    assert (await failed(http(body, status="400 No"))).provider.message == words


@pytest.mark.parametrize("status", ["401 No", "200 OK"])
async def test_the_key_is_in_nothing_that_is_kept(status: str) -> None:
    escaped = "".join(f"\\u{ord(each):04x}" for each in KEY)
    body = f'{{"error": {{"message": "Bad key {KEY}, {escaped}", "code": "{KEY}", "param": "{escaped}"}}}}'

    failure = await failed(http(body.encode(), f"x-request-id: {KEY}", status=status))

    assert KEY not in repr(failure)


async def test_nothing_that_listens_is_a_refused_connection() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        failure = await unreached(f"http://127.0.0.1:{bound.getsockname()[1]}/v1")

    assert_unavailable(failure, "connection_refused", "refused the connection")


async def test_a_name_that_nobody_knows_is_named_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)  # tests ask no name server
    failure = await unreached("http://provider.invalid/v1")

    assert_unavailable(failure, "name_not_resolved", "host name")
    assert failure.provider.message == "Name or service not known"


async def test_a_certificate_that_is_not_trusted_is_named_so(tmp_path: Path) -> None:
    async with over_tls(tmp_path) as port:
        failure = await unreached(f"https://127.0.0.1:{port}/v1")

    assert_unavailable(failure, "certificate", "self-signed certificate")
    assert failure.provider.message


async def test_no_tls_where_some_is_wanted_is_named_so() -> None:
    async def speak_plainly(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 No TLS\r\n\r\n")
        await writer.drain()

    async with listening(speak_plainly) as port:
        failure = await unreached(f"https://127.0.0.1:{port}/v1")

    assert_unavailable(failure, "tls", "TLS")


async def test_a_proxy_that_is_not_there_is_not_the_providers_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{bound.getsockname()[1]}")
        failure = await unreached("http://provider.invalid/v1")

    assert_unavailable(failure, "proxy", "proxy")


async def test_a_proxy_that_refuses_is_not_the_providers_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(refuse_to_connect) as port:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
        failure = await unreached("https://provider.invalid/v1")

    assert_unavailable(failure, "proxy", "407")


@pytest.mark.parametrize(
    ("raw", "cause"),
    [
        (b"", "broken_off"),
        (b"garbage\r\n\r\n", "not_http"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", "cut_off"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", "not_http"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 100_000 + b"\r\n", "not_http"),
    ],
    ids=["nothing", "no HTTP", "cut off", "a long header", "many headers"],
)
async def test_what_is_no_answer_over_http_is_named_so(raw: bytes, cause: str) -> None:
    assert_unavailable(await failed(raw), cause, "")


async def test_a_call_waits_while_this_machine_is_short_of_descriptors_and_is_then_made() -> None:
    async with answering(message()) as model:
        with no_descriptors():
            call = asyncio.create_task(model.call(model_call(), 10))
            await asyncio.sleep(0.3)
            assert not call.done()
        answer = await call

    assert isinstance(answer, ModelAnswer)
    assert answer.report.latency_seconds is not None
    assert answer.report.latency_seconds < 0.3  # the wait was no call


async def test_a_shortage_that_lasts_is_this_machines_and_no_call_was_made() -> None:
    asked: list[str] = []
    async with serving(message(), asked) as port:
        model = ModelClient(ModelOptions(api_key=KEY, base_url=f"http://127.0.0.1:{port}/v1"))
        with no_descriptors():
            failure = await model.call(model_call(), 0.4)
        await model.aclose()

    assert isinstance(failure, CallFailure)
    assert failure.is_local
    assert failure.cause == "local_shortage"
    assert failure.report.latency_seconds is None
    assert "EMFILE" in failure.message
    assert asked == []


async def test_a_call_that_found_no_connection_free_was_not_sent_and_says_so(
    offline: OfflineModel, control: ControlClient
) -> None:
    await control.script(Rule(hold="for ever"))
    options = ModelOptions(api_key=KEY, base_url=offline.base_url, max_calls_in_flight=1)
    model = ModelClient(options)
    first = asyncio.create_task(model.call(model_call(), 60))
    await control.wait({"held": 1})

    failure = await model.call(model_call(), 0.2)

    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await model.aclose()
    assert isinstance(failure, CallFailure)
    assert (reason_name(failure.reason), failure.cause) == ("LLM_TIMEOUT", "not_sent")
    assert failure.report.latency_seconds is None


@contextmanager
def no_descriptors() -> Iterator[None]:
    """No file can be opened inside: the soft limit is what is open already."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as newest:
        lowest_free = newest.fileno()
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@asynccontextmanager
async def over_tls(folder: Path) -> AsyncIterator[int]:
    """A server with a certificate that nobody trusts."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*self_signed(folder))

    async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with listening(close, tls=context) as port:
        yield port


async def refuse_to_connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n")
    await writer.drain()


def assert_unavailable(failure: CallFailure, cause: str, words: str) -> None:
    assert (reason_name(failure.reason), failure.cause) == ("LLM_UNAVAILABLE", cause)
    assert words in failure.message
    assert not failure.is_local
