"""The build side: locks, the store of fetched parts, and the recipe that turns images/<name>/ into images.

Standard library only: it runs on a machine that has nothing of ours yet.
"""
