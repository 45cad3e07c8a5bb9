"""Whether a review came from where it was asked for."""

from consensus.v1 import panel_pb2


def fell_back(provenance: panel_pb2.ReviewProvenance) -> bool:
    """Whether another route answered than was asked, `<route>:<model>`; names of models have colons too."""
    requested = provenance.requested_model
    if provenance.route:
        return not requested.startswith(f"{provenance.route}:")
    return ":" in requested and requested != provenance.answered_model
