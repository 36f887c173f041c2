"""Fitting any generator, with resume."""
