"""Limits of texts that are lower than the contract's own."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CharacterLimit:
    """How many characters a text may have, and what its sender can do who has more; empty: nothing else."""

    most: int
    way_out: str = ""

    def told(self, sent: str) -> str:
        """What a refusal says; `sent` is the size, in words."""
        said = f"must be at most {self.most} characters; {sent}"
        return f"{said}; {self.way_out}" if self.way_out else said
