"""Settings, the student's package, files written whole, and the one error for all that a user can mend.

Doors: `settings_file.load_settings`, `project.load_module`, `files`, `errors.CapstoneError`. No torch, pandas
or scikit-learn here.
"""
