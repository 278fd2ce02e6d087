"""From a matrix of numbers to a trained model.

Doors: `fit.fit_model` and `model.TrainedModel`; the five steps themselves are in `loop`.
"""
