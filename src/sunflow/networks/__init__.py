"""The function approximators. Knows nothing of flows."""
