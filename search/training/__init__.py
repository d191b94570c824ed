"""What runs a trial: losses, metrics, the plain trainer and the fused one."""
