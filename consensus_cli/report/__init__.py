"""A run as a document: Markdown, HTML, JSON."""
