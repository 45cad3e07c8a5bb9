"""What a user types: arguments, options, and what is made of their texts."""
