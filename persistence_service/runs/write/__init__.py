"""The write path of runs: the writer, its batches, and what each operation does."""
