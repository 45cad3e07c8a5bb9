"""The runs that this process works on, each from its idea to its decision; and the expand step by itself."""
