# shellcheck shell=bash
# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# R-G, postscreen with a block list that the inside's name server has, RSA and ECDSA, and for admitted clients another
# certificate than for new ones, because smtpd has its own options and tlsproxy takes main.cf's. A listener without TLS for
# what a content filter gives back.
for one in rsa ecdsa; do issue /etc/mail-tls/$one $one "$FQDN"; done
issue /etc/mail-tls/admitted ecdsa "$FQDN"
for one in rsa ecdsa admitted; do tlsa "$FQDN" 60 3 /etc/mail-tls/$one/cert.pem; done
printf 'nameserver 198.51.100.30\noptions edns0 trust-ad\n' >/etc/resolv.conf

basics
postconf -e "smtpd_tls_cert_file = /etc/mail-tls/rsa/fullchain.pem" "smtpd_tls_key_file = /etc/mail-tls/rsa/privkey.pem" \
  "smtpd_tls_eccert_file = /etc/mail-tls/ecdsa/fullchain.pem" "smtpd_tls_eckey_file = /etc/mail-tls/ecdsa/privkey.pem" \
  "smtpd_tls_security_level = may" "smtp_tls_security_level = may" "mydestination = \$myhostname, localhost, $DOMAIN" \
  "postscreen_greet_wait = 1s" "postscreen_greet_action = enforce" "postscreen_dnsbl_sites = bl.corp.lan" \
  "postscreen_dnsbl_action = enforce" "postscreen_access_list = permit_mynetworks"
postconf -M smtp/inet="smtp inet n - y - 1 postscreen" smtpd/pass="smtpd pass - - y - - smtpd" \
  tlsproxy/unix="tlsproxy unix - - y - 0 tlsproxy" dnsblog/unix="dnsblog unix - - y - 0 dnsblog" \
  127.0.0.1:10025/inet="127.0.0.1:10025 inet n - y - - smtpd"
postconf -P smtpd/pass/smtpd_tls_eccert_file=/etc/mail-tls/admitted/fullchain.pem \
  smtpd/pass/smtpd_tls_eckey_file=/etc/mail-tls/admitted/privkey.pem 127.0.0.1:10025/inet/smtpd_tls_security_level=none
clients
systemctl restart postfix
