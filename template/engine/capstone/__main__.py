"""`python -m capstone` is the same as `capstone`."""

from capstone.commands.app import main

main()
