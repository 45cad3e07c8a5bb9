"""Every RPC of the contract over HTTP: the Connect protocol, JSON by POST among it, and gRPC-Web."""
