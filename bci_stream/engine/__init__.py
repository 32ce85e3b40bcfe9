"""The pure pipeline and the session that runs it live."""
