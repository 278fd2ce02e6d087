"""What is done with one project, and with project after project."""
