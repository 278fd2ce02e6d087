"""The service itself: what each address answers, what is refused, what is measured.

Door: `server.serve`, for the command alone.
"""
