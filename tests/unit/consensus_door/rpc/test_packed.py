"""Messages are turned where the event loop does not wait for it."""

import threading

from consensus_door.rpc.packed import turned


async def test_what_is_not_small_is_turned_in_one_thread_beside_the_loop() -> None:
    here = threading.get_ident()
    assert await turned(4096, threading.get_ident) == here
    beside = {await turned(4097, threading.get_ident) for _ in range(3)}
    assert len(beside) == 1
    assert here not in beside
