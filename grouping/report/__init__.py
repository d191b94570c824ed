"""Reports rendered from a recommendation: HTML, Markdown, figures, graph files."""
