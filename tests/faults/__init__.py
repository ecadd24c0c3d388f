"""The estate under faults: load, kills and worse, and a judge that reads the databases after."""
