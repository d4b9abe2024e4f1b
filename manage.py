#!/usr/bin/env python
"""The door for everything run from a terminal."""

import gc
import os
import sys


def main() -> None:
    gc.disable()  # a seventh of a start went into looking for garbage among modules; `selfiehero.apps` ends this
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "selfiehero.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
