"""The door: HTTP for curl and browsers before both services. It keeps nothing, and has no rights of its own.

`serving/` owns connections, `gate/` looks at each request before anything else does, `services/` speaks to
the services in the caller's name, and what is served stands on these: every RPC (`rpc/`), plain HTTP
(`plain/`), the page (`page/`).
"""
