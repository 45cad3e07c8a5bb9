"""`python -m consensus_cli` is the `consensus` command."""

from consensus_cli import main

if __name__ == "__main__":
    main()
