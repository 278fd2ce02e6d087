"""A run's model as one ONNX graph, for `capstone serve` and `capstone predict`."""
