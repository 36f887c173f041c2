"""The commands: one typed function per rule, files in, files out."""
