"""Users: the people of an organisation."""
