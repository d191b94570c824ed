"""Trainers that are not ours: a command or an installed function, each training in a guarded process of its own."""
