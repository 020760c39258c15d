"""What every service is made of: its process, HTTP, kill switch, liveness, metrics, logs."""
