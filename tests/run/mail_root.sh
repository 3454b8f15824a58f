#!/usr/bin/env bash
# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# mail_root.sh PACKAGE: prints the directory of a small Debian system that has this mail server, and builds it first when
# it is missing. Tests run it from there, because installing it would remove the mail server that this machine may have.
. "$(dirname "$0")/common.sh"

package=$1
release=$(. /etc/os-release && echo "$VERSION_CODENAME")
root=$CACHE/$package-$release-$(sha256sum <"$0" | cut -c1-8)

if [ ! -d "$root" ]; then
  is_root || die "Only root can build the system with $package that these tests need."
  command -v mmdebstrap >/dev/null || die "mmdebstrap is not installed: apt-get install mmdebstrap"
  exec 9>"$CACHE/$package-root.lock"
  flock 9
fi
if [ ! -d "$root" ]; then
  rm -rf --one-file-system "$CACHE/$package"-*-*
  log=$CACHE/$package-root.log
  proxies=$CACHE/$package-root.proxies
  apt_proxies >"$proxies"
  debian_sources "$release" | mmdebstrap --mode=root --format=directory --variant=essential --include="$package" \
    --aptopt="$proxies" --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' "$release" "$root.partial" - >"$log" 2>&1 ||
    { tail -n 20 "$log" >&2; rm -rf --one-file-system "$root.partial"; die "mmdebstrap could not build a system with $package."; }
  rm -f "$root.partial"/etc/{hosts,resolv.conf}
  touch "$root.partial"/etc/{hosts,resolv.conf}
  mv "$root.partial" "$root"
fi
say "$root"
