"""The decoder written in C++ for processors: float32 and int8, compiled on first use, called through ctypes."""
