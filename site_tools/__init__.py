"""What makes the site from the code, and checks what was made."""
