"""How to be a gRPC process here: errors, servers, channels, settings and logs; knows no domain."""
