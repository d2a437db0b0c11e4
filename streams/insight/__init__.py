"""Insight: how fast, how much and what goes wrong, folded from the events topic. Pure: no Kafka, no clock, no tables."""
