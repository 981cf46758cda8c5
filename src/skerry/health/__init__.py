"""Health: what this process reaches, checked now, each with a deadline."""
