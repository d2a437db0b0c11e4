"""The events table: append, load, snapshots, codec and upcasting. It knows no element and no command's meaning."""
