"""The executor's step: commands and the venue's answers in; requests and events out."""
