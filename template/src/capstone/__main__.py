"""`python -m capstone` is the same as `capstone`."""

from capstone.cli import main

main()
