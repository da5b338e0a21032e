"""Bounds from machine code alone: the deepest stack and, with annotated loops, the most cycles, without a run."""
