"""``python -m tests.benchmarks.service``: put the service under load for a few minutes."""

from __future__ import annotations

from tests.benchmarks.service.run import main

if __name__ == "__main__":
    main()
