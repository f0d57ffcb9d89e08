"""`python -m uzina_client.cli`: the command where it is not on the path."""

from uzina_client.cli import main

main()
