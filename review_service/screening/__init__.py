"""What hints at an injection: the screen over texts, canaries in prompts. Knows nothing of the service."""
