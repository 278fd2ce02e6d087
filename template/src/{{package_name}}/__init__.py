"""Your rooms: features.py and network.py. A template update never changes what is in here."""
