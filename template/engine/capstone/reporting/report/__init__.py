"""report.html: a run as a page for a reader without statistics, the answer first, the details last.

Door: `report.write_report`. A file for each section: `failures`, `reasons`, `details`.
"""
