"""Plain HTTP for callers who know the job and no RPC: a dozen lines of JSON each, described by OpenAPI."""
