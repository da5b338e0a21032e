"""What code costs now against what it cost: a manifest of benches, a baseline, limits, and where a cost moved."""
