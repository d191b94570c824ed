"""Reports rendered from a recommendation: HTML, Markdown, figures, graph files.

``content`` reads a run folder, ``html`` and ``markdown`` render the whole of it, ``affinity`` writes the task graph and
the affinity table; ``tables``, ``sections`` and ``figures`` are what both faces share, ``wording`` how numbers read.
"""
