"""`python -m nightschool`."""

from nightschool.cli.main import main

main()
