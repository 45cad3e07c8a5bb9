"""The contract's words: names of steps, spans, what a sentence is, what its errors are about; pure."""
