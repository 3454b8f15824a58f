# shellcheck shell=bash
# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# R-E, two views of one name: signed in public; unsigned with other addresses inside, which a validating resolver that asks the
# public would call bogus. resolv.conf is a link to a file that another program writes.
issue /etc/mail-tls ecdsa "$FQDN"
tlsa "$FQDN" 60 3 /etc/mail-tls/cert.pem
tlsa "$FQDN" 60 2 /etc/mail-tls/chain.pem
mkdir -p /run/systemd/resolve
printf '# Written by another program\nnameserver 198.51.100.30\noptions edns0 trust-ad\n' >/run/systemd/resolve/resolv.conf
rm -f /etc/resolv.conf
ln -s ../run/systemd/resolve/resolv.conf /etc/resolv.conf

basics
echo "store.$DOMAIN smtp:[store.$DOMAIN]" >/etc/postfix/transport
postmap /etc/postfix/transport
postconf -e "smtpd_tls_cert_file = /etc/mail-tls/fullchain.pem" "smtpd_tls_key_file = /etc/mail-tls/privkey.pem" \
  "smtpd_tls_security_level = may" "smtp_tls_security_level = may" "transport_maps = hash:/etc/postfix/transport" \
  "mydestination = \$myhostname, localhost, $DOMAIN"
clients
systemctl restart postfix
