"""BPMN XML: read into executable models, checked, with all problems told at once. No clock, no files, no network."""
