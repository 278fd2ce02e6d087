"""One file for each command of `capstone`, named as the command.

Door: `app.main`, which registers them all.
"""
