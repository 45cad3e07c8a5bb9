"""What the model's provider, or the way to it, said of a failure, as an error's metadata. Pure."""

from collections.abc import Mapping

from consensus.v1 import run_pb2


def evidence(failure: run_pb2.RunFailure | run_pb2.StepFailure) -> dict[str, str]:
    """The metadata of the error that a failure ends with, as far as anything was said."""
    said = {
        "cause": failure.cause,
        "provider_code": failure.provider_code,
        "provider_param": failure.provider_param,
    }
    return {key: value for key, value in said.items() if value}


def in_words(metadata: Mapping[str, str]) -> str:
    """The same for people, to stand after a sentence; nothing where nothing was said."""
    cause, code, param = (metadata.get(key, "") for key in ("cause", "provider_code", "provider_param"))
    parts = [cause, f"code {code}" if code and code != cause else "", f"parameter {param}" if param else ""]
    said = ", ".join(part for part in parts if part)
    return f" ({said})" if said else ""
