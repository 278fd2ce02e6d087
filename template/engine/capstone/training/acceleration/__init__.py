"""What makes the same five steps quicker, and changes nothing else about them.

Only `training.fit` knocks here.
"""
