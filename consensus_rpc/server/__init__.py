"""A gRPC server: its interceptor, admission, health and options."""
