"""The runs that this process works on, each from its proposal to its decision."""
