# shellcheck shell=bash
# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# R-I, the primary of two MX hosts; the backup is a provider's, with its own name, key and record, and a DANE sender itself.
certbot "$FQDN" ecdsa "$FQDN"
LIVE=/etc/letsencrypt/live/$FQDN
tlsa "$FQDN" 60 3 "$LIVE/cert.pem"
basics
postconf -e "smtpd_tls_cert_file = $LIVE/fullchain.pem" "smtpd_tls_key_file = $LIVE/privkey.pem" \
  "smtpd_tls_security_level = may" "smtp_tls_security_level = may" "mydestination = \$myhostname, localhost, $DOMAIN"
# Once set for a partner whose server was broken, and forgotten: main.cf does not count for mail that leaves.
postconf -P smtp/unix/smtp_tls_security_level=may
clients
systemctl restart postfix
