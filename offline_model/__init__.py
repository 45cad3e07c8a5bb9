"""A local server that speaks the Responses API and answers by rules, for demos, tests and benchmarks.

No language model is involved, and its answers say so. The same text gets the same answer.
"""

MODEL_NAME = "offline-rules"
"""What answers, whatever model it is asked for: rules."""
