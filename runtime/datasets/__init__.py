"""Labelled recordings of event cameras: their files, the folders they come in, and frames made of their events."""
