"""One folder, or ZIP, with all that the service needs and nothing else.

Door: `service.export_service`.
"""
