"""Who is at the other end, and how the way there is kept to the two of them."""
