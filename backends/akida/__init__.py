"""Target akida: Akida-2.0-style int8 layer sequences."""
