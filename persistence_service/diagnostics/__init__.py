"""How the database and the connections to it are doing."""
