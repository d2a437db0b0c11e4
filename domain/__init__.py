"""The pure core: commands, events, state, deciding and folding. It knows no clock, no chance and no I/O."""
