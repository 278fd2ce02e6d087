"""What people read about a table or a run. Templates hold the words and the markup, Python the values.

Doors: `report.report.write_report`, `card.card.write_cards`, `data_page.look_at` and `data_page.data_page`,
`comparison_page.comparison_page`, `explanation_page.explanation_page`, `charts.write_script`. The checks read the
documents by `card.markdown_blocks`, `card.model_card`, `card.datasheet` and `card.front_matter`.
"""
