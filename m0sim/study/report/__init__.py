"""Results of the study as text, JSON, HTML and pictures."""
