"""`cohort`: the instructor's tool. It updates every repository of a class and never changes a student's line."""
