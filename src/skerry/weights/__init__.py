"""Weights that the build makes: fetched by digest, converted without a network, kept under their own digest.

Contract: imports the standard library, base and the build side (images) only.
"""
