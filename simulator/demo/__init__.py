"""Scenes: something happens to a simulated pair, the real function app reacts, and the outcome is checked."""
