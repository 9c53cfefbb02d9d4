"""`python -m progress_exhaust` is the command line."""

from progress_exhaust.cli import main

if __name__ == "__main__":
    main()
