"""git, and its objects and references, read where nothing of a student's can steer them."""
