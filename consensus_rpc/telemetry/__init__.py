"""What is told of calls: logs, metrics, traces, request ids."""
