"""What people read: tables, pages and JSON."""
