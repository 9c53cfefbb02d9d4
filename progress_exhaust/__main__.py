"""`python -m progress_exhaust` is the command line."""

from progress_exhaust.cli.app import main

if __name__ == "__main__":
    main()
