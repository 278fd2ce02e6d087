"""From a file to a checked, split table, and to a matrix of numbers.

Doors: `reading.read_table`, `validation`, `splitting.split_rows`, `preprocessing.Preprocessor`.
"""
