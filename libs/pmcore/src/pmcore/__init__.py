"""The core of pm-as-ofi: one vocabulary, one brain, thin shells. Layers: docs/ARCHITECTURE.md."""
