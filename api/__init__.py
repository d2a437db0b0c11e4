"""HTTP: the gateway for commands, and reads. It knows no SQL and no element kind."""
