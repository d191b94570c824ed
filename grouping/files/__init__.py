"""Tables as files: CSV and Parquet in, CSV out; read strictly, written whole."""

from grouping.files.losses import read_curves, read_losses, write_losses

__all__ = ["read_curves", "read_losses", "write_losses"]
