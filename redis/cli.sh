#!/bin/sh
# redis-cli as the operator: docker compose exec redis sh /etc/pm-redis/cli.sh PING
REDISCLI_AUTH=$(cat /run/pm-redis/ops/password) exec redis-cli --user ops "$@"
