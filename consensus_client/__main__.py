"""`python -m consensus_client` is the `consensus` command."""

from consensus_client.cli import main

if __name__ == "__main__":
    main()
