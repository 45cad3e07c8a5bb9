"""Panels as data: normalised, named by digest, linted, read from and written to folders; the built-in one.

Pure but for reading and writing the files of a panel."""
