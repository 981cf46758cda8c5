"""Skerry: an AI-agent control plane in a box, for networks that touch nothing."""

__version__ = "0.1.0"
