"""Insight over the events topic: the shell around `streams.insight`, in faust, in a process and a consumer group of its own."""
