"""Fits policies on outcomes, and says how good they are: a tool, which no service uses.

Needs the extra `[fit]`. What is fitted here is applied by `consensus_decision`, in decimals; what is told of
a policy was found by applying it so.
"""
