"""Your rooms: features.py, network.py and decisions.py. A template update never changes what is in here."""
