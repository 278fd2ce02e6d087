"""From a file to a checked, split table, and to a matrix of numbers.

Doors: `reading.read_table`, `user_steps.apply_step`, `validation`, `kinds`, `leaks.suspected_leaks`, `schema`,
`splitting.split_rows`, `preprocessing.Preprocessor`.
"""
