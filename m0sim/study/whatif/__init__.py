"""What-if questions about memory: budgets, the best that fits, and sweeps over many configurations."""
