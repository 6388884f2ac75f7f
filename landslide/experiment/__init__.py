"""What the trials of a sweep share, what determines a row, and how one is earned."""
