"""The judgement: pure functions of crystals and energies."""
