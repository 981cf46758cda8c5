"""A small client of the API, as the command line uses it. It knows the wire contract and nothing else."""
