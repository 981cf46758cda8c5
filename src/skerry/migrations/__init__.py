"""Alembic migrations of the schema `skerry`; they run as role owner (skerry.database)."""
