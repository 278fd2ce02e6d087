"""`capstone serve`: a run's model behind an API and a page, without torch, scikit-learn or pandas.

Doors: `inference.served_model.ServedModel` for predictions, `command.serve` for the command.
"""
