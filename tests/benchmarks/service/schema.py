"""``python -m tests.benchmarks.service.schema``: schemathesis with many examples, several seeds, longer sequences."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from search.service.gate import API
from search.service.rates import Rates
from tests.grouping.report.sample import weather
from tests.search.service.hunt import hunt, hunt_in_sequences
from tests.search.service.serving import serving


def main() -> None:
    """Hunt, and leave with 1 if anything was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=200, help="for each operation")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sequences", type=int, default=100)
    options = parser.parse_args()
    found: list[str] = []
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), datasets_per_token=10**6) as served:
        served.service.strangers = Rates(1e6, 1e6)
        served.store.take(served.run_of("occupant"))
        ended = served.finished_run("ada", weather())
        with served.client() as client:
            document = client.get(f"{API}/openapi.json").json()
        for number in range(options.seeds):
            token = served.tokens["ada"]
            found += hunt(document, served.url, token, ended=ended, examples=options.examples, number=number)
        try:
            hunt_in_sequences(document, served.url, served.tokens["ada"], examples=options.sequences, steps=12)
        except BaseExceptionGroup as group:
            found.append(str(group))
    operations = sum(len(methods) for methods in document["paths"].values())
    tried = options.seeds * options.examples * operations
    sys.stdout.write("\n\n".join([*found, f"{len(found)} findings in up to {tried:,} requests and the sequences\n"]))
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
