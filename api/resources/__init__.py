"""The operations, one file per resource of the API; each ends with its table. `api.app` puts the tables together."""
