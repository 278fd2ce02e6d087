"""Forges such as GitHub and GitLab: pull requests."""
