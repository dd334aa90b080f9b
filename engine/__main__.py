"""`python -m engine` is the command `bot4`; the service runs it so."""

from engine.cli import main

if __name__ == "__main__":
    main()
