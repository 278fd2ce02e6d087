"""A look at a table before anything is trained: how columns are spread, what is to be mended, what they are for.

Doors: `alerts.find_alerts`, `mends.find_mends`, `suggestions`, `distributions.distribution` and
`associations.associations`.
"""
