"""A server for GDB's remote protocol over a run that it holds. Source: GDB manual, appendix E."""
