"""The whole estate as real processes on this machine: to show it, to use it, to test it."""
