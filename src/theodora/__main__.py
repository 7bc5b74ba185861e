"""`python -m theodora`, the same as the `theodora` command."""

from theodora.cli import main

main()
