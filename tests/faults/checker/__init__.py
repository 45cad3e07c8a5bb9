"""What must hold after every fault, checked against the database, the model's counters, logs and callers."""
