"""What runs a trial: losses, metrics, the plain trainer."""
