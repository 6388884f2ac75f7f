"""How a cube lies in its store so that chips stream best, and what whoever writes one needs."""
