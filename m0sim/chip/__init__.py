"""The simulated chip: what its instructions are and cost, its memories, and function calls on it."""
