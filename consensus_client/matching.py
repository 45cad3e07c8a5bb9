"""Whether a run is about some words, as far as a list tells: pure."""

from consensus.v1 import run_pb2


def is_about(run: run_pb2.Run, words: str) -> bool:
    """Whether what was reviewed has these words, without regard to case; of a document its name alone."""
    specification = run.specification
    proposal = specification.proposal
    told = (specification.idea, specification.document.name, proposal.title, proposal.problem_statement)
    return words.casefold() in "\n".join(told).casefold()
