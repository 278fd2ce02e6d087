"""A run's model ready to predict: the student's steps, the graph in model.onnx, and the decision for each row.

Doors: `served_model.ServedModel`, and its parts in the other files, which `capstone export` checks one by one.
"""
