"""The account's own channel: fills and order updates, reconciled after every reconnect."""
