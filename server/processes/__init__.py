"""The server as a process of the operating system, or as several behind one port."""
