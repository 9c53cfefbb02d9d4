"""The target of spark-submit: the command line, with the same arguments.

Its name is not the package's, which a script of that name in the first place of the path would hide.
"""

from progress_exhaust.cli.app import main

if __name__ == "__main__":
    main()
