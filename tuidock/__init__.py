"""Front ends of the engine: a full-screen terminal and a command line."""
