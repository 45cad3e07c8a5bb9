"""Reading runs: lists, exports, watching."""
