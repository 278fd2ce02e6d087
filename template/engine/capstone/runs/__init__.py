"""A finished run on disk: written whole, read back, proved to be of one piece.

Doors: `folder.new_run` and `folder.read_run`, `results.read_results`, `verify.check_whole`.
"""
