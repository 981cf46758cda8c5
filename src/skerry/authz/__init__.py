"""May they: OPA decides, the guard asks, and no answer means no."""
