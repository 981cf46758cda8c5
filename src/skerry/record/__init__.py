"""What a change leaves behind in its own transaction: an outbox line, an event."""
