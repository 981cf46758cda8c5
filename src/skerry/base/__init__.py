"""Standard library only: what every room needs and nothing that belongs to one of them."""
