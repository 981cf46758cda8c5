"""Environments, and the worker queues in them."""
