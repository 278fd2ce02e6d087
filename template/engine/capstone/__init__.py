"""The capstone engine: the same bytes in every project made from the template.

You may read and change these files, but a template update merges its own changes into them. Your own
work belongs in your package beside this one: features.py and network.py.
"""
