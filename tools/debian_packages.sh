#!/bin/sh
# Installs Debian packages that are missing: tools/debian_packages.sh tshark tcpdump
# As root; anybody else gets the one line to type. Fails only in that case or when apt fails.
set -eu
missing=""
for package in "$@"; do
    dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ]; then
    printf 'please install the missing Debian packages: sudo apt-get install%s\n' "$missing" >&2
    exit 1
fi
printf 'installing Debian packages:%s\n' "$missing" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086 # the list is meant to be split
apt-get install -y -qq --no-install-recommends $missing >/dev/null
