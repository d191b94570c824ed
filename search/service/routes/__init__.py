"""The routes of the service, one file a noun; what they answer with is ``answers``, what they ask is ``queries``."""
