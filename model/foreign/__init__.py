"""Models of other toolkits: reading each of their formats, and writing one."""
