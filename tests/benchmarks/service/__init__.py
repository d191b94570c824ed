"""The service under load: requests a second, waiting times, memory, watchers."""
