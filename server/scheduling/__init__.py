"""Scheduling: a fair queue before each model's engine, and the thread that runs the engine."""
