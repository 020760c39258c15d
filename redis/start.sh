#!/bin/sh
# What the container `redis` runs. Each user of users.acl gets a password of its own, made at the first start, in a volume
# that only this container and that one service have. Then Redis starts with these users and no other.
# A new password for a user: remove its volume (docs/runbook.md).
set -eu
umask 077

passwords=/run/pm-redis
users=/run/pm-users/users.acl
reader=10001 # the group of the services' user (Dockerfile)

sha256() { sha256sum | cut -d' ' -f1; }

password_of() {
  file=$passwords/$1/password
  if [ ! -s "$file" ]; then
    head -c 32 /dev/urandom | sha256 >"$file.part"
    if [ "$1" != ops ]; then
      chmod 640 "$file.part"
      chown "0:$reader" "$file.part"
    fi
    mv "$file.part" "$file"
  fi
  cat "$file"
}

rm -f "$users"
while read -r word name rules; do
  case $rules in
    *PASSWORD*) rules="on #$(printf %s "$(password_of "$name")" | sha256) ${rules#on PASSWORD }" ;;
  esac
  printf '%s %s %s\n' "$word" "$name" "$rules"
done </etc/pm-redis/users.acl >"$users"
chmod 640 "$users"
chown 0:redis "$users"

# The image's entry point, where it has one, gives /data to the user redis and becomes that user.
entry=$(command -v docker-entrypoint.sh || true)
exec $entry redis-server --aclfile "$users" "$@"
