"""One process, or several on one port: settings, places, workers."""
