"""A map's page, which opens in any browser."""
