"""The output: tables, pages and JSON."""
