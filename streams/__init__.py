"""The moving parts: the Log port and its adapters, partition processor, relay, projector and timers."""
