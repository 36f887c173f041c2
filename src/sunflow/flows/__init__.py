"""How beliefs sharpen: one Bayesian flow per manifold. Knows nothing of crystals or networks."""
