#!/usr/bin/env python
"""Django's command line for order_project."""

import os
import sys

from django.core.management import execute_from_command_line

from order_project import checks

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "order_project.settings")
    with checks.starting():
        checks.before_command(sys.argv)
        execute_from_command_line(sys.argv)
