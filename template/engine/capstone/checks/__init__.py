"""`capstone check`: one function for each rule on what is handed in.

Doors: `rules.check_rules`, `project_state.ProjectState`, which the rules look at, and `outcome`.
"""
