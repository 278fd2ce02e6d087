"""A run's model as one ONNX graph, and as a folder that a server runs.

Doors: `onnx.export.ModelExport` for each run, `command.export` for the command.
"""
