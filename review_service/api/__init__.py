"""The face of the service: its servicer, the streams that it answers with, what it says of itself."""
