"""What goes on beside the calls does not end unheard."""

import asyncio

from structlog.testing import capture_logs

from consensus_rpc.server.background import in_background


async def counting_horses() -> None:
    raise ZeroDivisionError("a stable's own secret")


async def waiting() -> None:
    await asyncio.Event().wait()


async def test_work_that_fails_says_where_it_came_from_and_nothing_of_what_it_was_about() -> None:
    with capture_logs() as logs:
        await asyncio.wait([in_background(counting_horses())])
        await asyncio.sleep(0)  # its callback comes after it
    [line] = logs
    assert (line["event"], line["work"], line["log_level"]) == (
        "background_work_failed", "counting_horses", "critical",
    )  # fmt: skip
    assert line["trace"][0] == "builtins.ZeroDivisionError"
    assert "secret" not in str(line)


async def test_work_that_is_cancelled_says_nothing() -> None:
    with capture_logs() as logs:
        task = in_background(waiting())
        task.cancel()
        await asyncio.wait([task])
        await asyncio.sleep(0)
    assert logs == []
