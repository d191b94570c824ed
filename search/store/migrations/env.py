"""What alembic executes for every command: runs the revisions on the connection it was handed, in its transaction.

The store hands over a connection that already holds the write lock, so two processes never migrate at once.
"""

from alembic import context

from search.store.models import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
context.run_migrations()
