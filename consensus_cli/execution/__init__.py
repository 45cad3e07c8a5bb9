"""From a command's work to the lines that it prints and the code that it exits with."""
