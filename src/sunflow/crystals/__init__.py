"""What a crystal is: lattice, atoms, files. Knows nothing of learning."""
