"""A run's model as it is served: no torch, scikit-learn or pandas is needed here."""
