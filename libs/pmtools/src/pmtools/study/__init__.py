"""What replays did, as tables for programs, and `pm report`, which draws them.

See docs/tables.md. Parquet needs the extra packages of `pmtools[study]`; nothing of them is loaded
before it is asked for.
"""

from pmtools.study.tables import Tables, load

__all__ = ["Tables", "load"]
