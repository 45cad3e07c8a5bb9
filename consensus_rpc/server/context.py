"""What grpc.aio hands a handler beside the request."""

from typing import Any, TypeAlias

import grpc

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
"""Of whatever messages: handlers read who calls from it, and streams write to it."""
