"""Files: what people upload and runs keep. Metadata in PostgreSQL, bytes in the object store."""
