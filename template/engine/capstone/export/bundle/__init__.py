"""A folder, or ZIP file, with everything that the service needs and nothing else.

Door: `service.export_service`.
"""
