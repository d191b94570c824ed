"""Task grouping as arithmetic on tables: losses of candidate networks in, proven groupings and reports out.

Needs neither torch nor Ray; the machinery that fills the tables is the package ``search``.
"""
