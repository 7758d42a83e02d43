"""The async container engine: a library that knows no front end."""
