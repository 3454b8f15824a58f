# shellcheck shell=bash
# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Virtualmin's way: plain smtp became two lines when the first address got its own pair; main.cf has the older parameters.
issue /etc/mail-tls/a ecdsa "$FQDN"
issue /etc/mail-tls/b ecdsa "mx-b.$DOMAIN"
tlsa "$FQDN" 60 3 /etc/mail-tls/a/cert.pem
tlsa "mx-b.$DOMAIN" 60 3 /etc/mail-tls/b/cert.pem
ip addr add 198.51.100.141/24 dev eth0

basics
postconf -e "smtpd_tls_cert_file = /etc/mail-tls/a/fullchain.pem" "smtpd_tls_key_file = /etc/mail-tls/a/privkey.pem" \
  "smtpd_tls_security_level = may" "smtp_tls_security_level = may" \
  "mydestination = \$myhostname, localhost, $DOMAIN, b.$DOMAIN"
sed -i -E 's/^smtp +inet .*smtpd$/#&/' /etc/postfix/master.cf
cat >>/etc/postfix/master.cf <<END
$ADDRESS:smtp inet n - y - - smtpd
127.0.0.1:smtp inet n - y - - smtpd
198.51.100.141:smtp inet n - y - - smtpd
  -o myhostname=mx-b.$DOMAIN
  -o smtpd_tls_cert_file=/etc/mail-tls/b/fullchain.pem
  -o smtpd_tls_key_file=/etc/mail-tls/b/privkey.pem
END
clients
systemctl restart postfix
