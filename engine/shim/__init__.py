"""Standard-library-only processes beside the engine: spawner, sandbox, supervisor, workers."""
