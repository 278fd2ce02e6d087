"""A class: class.toml, the roster, where the repositories are, and the ledger of what was done."""
