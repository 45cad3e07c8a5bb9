"""The rule of the decision: pure arithmetic over stored reviews."""
