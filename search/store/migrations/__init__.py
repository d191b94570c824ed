"""How a database file becomes what ``search.store.models`` describes; applied when the store opens."""
