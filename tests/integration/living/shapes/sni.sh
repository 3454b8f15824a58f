# shellcheck shell=bash
# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# R-H, many domains: a default pair, a table of certificates by name with a wildcard entry, and a second address with its own
# pair and name in master.cf. Three MX names with three keys, each with its own 3 1 1.
issue /etc/mail-tls/default ecdsa "$FQDN"
issue /etc/mail-tls/shop ecdsa "mx-shop.$DOMAIN"
issue /etc/mail-tls/club rsa "mx-club.$DOMAIN"
issue /etc/mail-tls/wild ecdsa "*.wild.example"
tlsa "$FQDN" 3600 3 /etc/mail-tls/default/cert.pem
tlsa "mx-shop.$DOMAIN" 60 3 /etc/mail-tls/shop/cert.pem
tlsa "mx-club.$DOMAIN" 60 3 /etc/mail-tls/club/cert.pem
ip addr add 198.51.100.139/24 dev eth0
for one in default shop club wild; do
  (umask 077 && cat /etc/mail-tls/$one/privkey.pem /etc/mail-tls/$one/fullchain.pem >/etc/mail-tls/$one/all.pem)
done

basics
cat >/etc/postfix/sni <<END
mx-shop.$DOMAIN /etc/mail-tls/shop/all.pem
.wild.example /etc/mail-tls/wild/all.pem
END
postmap -F /etc/postfix/sni
postconf -e "smtpd_tls_chain_files = /etc/mail-tls/default/all.pem" "tls_server_sni_maps = hash:/etc/postfix/sni" \
  "smtpd_tls_security_level = may" "smtp_tls_security_level = may" \
  "mydestination = \$myhostname, localhost, $DOMAIN, shop.$DOMAIN, club.$DOMAIN"
sed -i -E 's/^smtp +inet .*smtpd$/#&/' /etc/postfix/master.cf
cat >>/etc/postfix/master.cf <<END
$ADDRESS:smtp inet n - y - - smtpd
127.0.0.1:smtp inet n - y - - smtpd
198.51.100.139:smtp inet n - y - - smtpd
  -o myhostname=mx-club.$DOMAIN
  -o smtpd_tls_chain_files=
  -o smtpd_tls_cert_file=/etc/mail-tls/club/fullchain.pem
  -o smtpd_tls_key_file=/etc/mail-tls/club/privkey.pem
END
clients
systemctl restart postfix
