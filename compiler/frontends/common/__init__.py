"""What front ends share: how they emit IR and say no, names of layers, letters of axes."""
