"""What crosses a boundary: frozen, tagged structs, one file per family."""
