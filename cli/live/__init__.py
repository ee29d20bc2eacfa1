"""What `nmc live` is made of: clips, their way through a program, and what a terminal or a GIF shows of it."""
