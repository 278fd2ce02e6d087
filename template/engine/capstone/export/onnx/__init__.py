"""Preprocessing, networks, average and temperature as one graph, compared with what was measured.

Door: `export.ModelExport`.
"""
