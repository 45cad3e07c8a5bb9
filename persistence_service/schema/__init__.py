"""What tables, columns and filters are made of; imports nothing else of the service."""
