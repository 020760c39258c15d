"""The decisions about the account's user channel."""
