"""Stubs made by `make protos`; never edit them."""
