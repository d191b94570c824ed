"""One file a revision, named after its number; a revision that was released is never edited."""
