"""The services, as a caller reaches them: which is where, and what a call carries of a request."""
