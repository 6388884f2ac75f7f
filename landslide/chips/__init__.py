"""From a cube to chips: inputs, composites, windows, split, and streams that read a chunk once."""
