"""What runs a stack on the host it stands on: podman, secrets, checks before anything starts, the local driver."""
