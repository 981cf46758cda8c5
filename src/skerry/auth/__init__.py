"""Who is calling: tokens, keys, JWKS, API keys."""
