"""git, its objects and its references, read in a way that no student's file can influence."""
