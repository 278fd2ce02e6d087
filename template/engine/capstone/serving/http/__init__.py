"""The service over HTTP: what each address answers, what is refused, what is measured.

Doors, for the command alone: `server.run_server`, and `middleware.Limits` for what it takes.
"""
