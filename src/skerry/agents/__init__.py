"""Agents: a model, a system prompt and the tools it may ask for."""
