"""The core of pm-as-ofi.

One vocabulary, all decisions in one place, thin shells. Layers: docs/ARCHITECTURE.md.
"""
