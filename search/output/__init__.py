"""What a run leaves behind: its folder, the files in it, and what it ran on."""
