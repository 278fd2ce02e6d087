"""A run's model ready to predict: the student's steps, the graph in model.onnx, and the decision for each row.

Doors: `served_model.ServedModel`; `onnx_session.OnnxSession` and `student_steps.StudentSteps` are its parts, which
`capstone export` checks; `arrays` and `frames` turn columns and tables into the graph's inputs.
"""
