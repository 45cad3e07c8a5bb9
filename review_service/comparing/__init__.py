"""What differs between two proposals or two runs; pure."""
