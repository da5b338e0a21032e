"""Costs as text and JSON: data in, strings out. Nothing here runs code or reads files."""
