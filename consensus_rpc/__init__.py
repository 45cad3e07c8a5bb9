"""How to be a gRPC process here: errors, interceptors, server, client, settings and logs; knows no domain."""
