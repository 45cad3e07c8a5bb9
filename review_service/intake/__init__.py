"""Requests into what a run is to do; pure: no call, no clock, no store."""
