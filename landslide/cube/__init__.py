"""What a cube is: events, schema, opening, digest, download."""
