"""Projections: from events to the tables that people query. Pure folding, few statements, one transaction per batch."""
