# shellcheck shell=bash
# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# R-F, a host that only sends, all of it through a provider, who knows it by its client certificate; the provider's name is
# verified with the public CA. Left over from long ago: smtp_use_tls and Debian's own pair.
issue /etc/mail-tls ecdsa "$FQDN"
cat >/root/inside-script <<END
echo "$(openssl x509 -in /etc/mail-tls/cert.pem -noout -fingerprint -sha256 | cut -d= -f2) $FQDN" >/etc/postfix/senders
postmap /etc/postfix/senders
postconf -e "relay_clientcerts = hash:/etc/postfix/senders" "relay_domains ="
postfix reload
END
basics
postconf -e "relayhost = [smtp.provider.nl]:587" "inet_interfaces = loopback-only" "smtp_use_tls = yes" \
  "smtp_tls_security_level = secure" "smtp_tls_CAfile = /root/public-ca/root.pem" \
  "smtp_tls_cert_file = /etc/mail-tls/fullchain.pem" "smtp_tls_key_file = /etc/mail-tls/privkey.pem"
systemctl restart postfix
