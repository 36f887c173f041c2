"""Moving atoms downhill in the energy of a potential."""
