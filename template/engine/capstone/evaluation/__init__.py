"""What a prediction is worth: scores, trust, reasons, groups and costs.

Doors: `evaluate.evaluate_model` for the scores, `analysis.analyze` for all that scores alone don't say.
"""
