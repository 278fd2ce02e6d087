"""Settings, the student's package, git, files written whole, and the one error for all that a user can mend.

Doors: `settings_file.load_settings`, `project`, `decisions`, `files`, `git`, `text`, `step`, `errors.CapstoneError`.
No torch, pandas or scikit-learn here.
"""
