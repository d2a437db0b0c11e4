"""The database schema as plain SQL, one numbered file a step, with its way up and its way down."""
