"""First drafts of a student's own files: what `capstone use` writes about a table that it has looked at."""
