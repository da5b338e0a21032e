"""The verbs of the study: found by name from `m0sim.cli`, which does not import them."""
