"""Engines own slots: one on its own thread, or several threads or processes behind the face of one."""
