"""What every request passes first: its names, its size, room for it, its id."""
