"""The model card and the datasheet: a person writes them, a run fills the marked blocks.

Door: `card.write_cards`. What it writes: `model_card`, `group_blocks`, `datasheet`; where: `markdown_blocks`.
"""
