"""What people read about a table or a run.

Doors: `report.report.write_report`, `card.card.write_cards`, `data_page.look_at`.
"""
