"""Oracles that m0sim is judged by. Nothing here imports m0sim."""
