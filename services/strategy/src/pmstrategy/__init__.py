"""The strategy service: streams in, the window engine's step, commands out."""
