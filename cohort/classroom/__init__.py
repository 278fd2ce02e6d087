"""A class: class.toml, the roster, the location of the repositories, and the ledger of what was done."""
