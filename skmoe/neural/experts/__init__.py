"""Experts: stacks of parameters, and how a layer of them is computed wherever their rows lie."""
