"""Sunflow: new stable crystals, from a dataset to stable, unique and novel, in one command."""
