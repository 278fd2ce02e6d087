"""`cohort`: the instructor's tool. Updates every repository of a class, and never a student's line."""
