"""Kills the engine and its database under load and looks whether anything was lost or done twice. It knows the engine from outside only."""
