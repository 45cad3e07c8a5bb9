"""Both services and the offline model on this machine, as processes of a command."""
