"""The template: its releases, the answers to its questions, and what it renders."""
