"""A run's model as one ONNX graph, and as a folder that a server runs.

Doors: `rehearsal.rehearse` before training and `onnx.export.ModelExport` after it, `command.export` for the command.
"""
