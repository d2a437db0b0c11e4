"""Settings, wiring, commands of the shell, and the servers we bring along. Everything may be named here; nothing inward imports it."""
