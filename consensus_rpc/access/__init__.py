"""Who calls and who may: policies, keys, tokens of issuers, and what guards a server with them.

Knows no domain: whoever stores keys is a `KeyDirectory`, whoever keeps denials a `DenialSink`.
"""
