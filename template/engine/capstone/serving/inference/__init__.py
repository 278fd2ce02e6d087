"""A run's model ready to answer: the graph in model.onnx, the student's steps before it, the decision after it.

Door: `model.ServedModel`; `capstone predict` and `capstone export` come in by it too.
"""
