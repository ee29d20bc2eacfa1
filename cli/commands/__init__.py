"""One file a command. A command parses, calls the public API, and prints."""
