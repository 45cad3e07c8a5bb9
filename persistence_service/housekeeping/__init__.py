"""What is done across concepts: user data deleted and restored, and all that is purged in the background."""
