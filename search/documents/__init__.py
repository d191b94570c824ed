"""Spec files: YAML or JSON text to a ``Spec`` and back, and every complaint about such a file.

What the data behind a spec looks like is ``search.data``; here nothing but the document itself is opened.
"""

from search.documents.reading import dump_spec, on_one_line, parse_spec, read_spec, spec_from

__all__ = ["dump_spec", "on_one_line", "parse_spec", "read_spec", "spec_from"]
