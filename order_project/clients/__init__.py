"""The only place that knows where another service is, how long to wait for it, and how it fails."""
