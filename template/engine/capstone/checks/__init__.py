"""`capstone check`: one function for each rule on what is handed in.

Doors: `rules.check` and `project_state.Work`, the work that the rules look at.
"""
