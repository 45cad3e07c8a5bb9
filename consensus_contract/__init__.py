"""The contract's words: the names of steps, spans, and what its errors are about; pure."""
