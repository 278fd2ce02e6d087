"""From a matrix of numbers to a trained model.

Doors: `fit.train_model` and `model.TrainedModel`; the five steps themselves are in `loop`.
"""
