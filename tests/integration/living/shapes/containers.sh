# shellcheck shell=bash
# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# R-B, as mailcow: main.cf is a bind mount of what a start script puts together; postscreen; names of other containers, which
# only the inside's name server knows, for the milter and for the first table of policies; one transport that enforces TLS.
issue /etc/mail-tls rsa "$FQDN"
(umask 077 && cat /etc/mail-tls/privkey.pem /etc/mail-tls/fullchain.pem >/etc/mail-tls/all.pem)
tlsa "$FQDN" 60 3 /etc/mail-tls/cert.pem
printf 'nameserver 198.51.100.30\noptions edns0 trust-ad\n' >/etc/resolv.conf

basics
echo "other.$DOMAIN /etc/mail-tls/all.pem" >/etc/postfix/sni
postmap -F /etc/postfix/sni
postconf -e "smtpd_tls_cert_file = /etc/mail-tls/fullchain.pem" "smtpd_tls_key_file = /etc/mail-tls/privkey.pem" \
  "tls_server_sni_maps = hash:/etc/postfix/sni" "smtpd_tls_security_level = may" "smtp_tls_security_level = dane" \
  "smtp_dns_support_level = dnssec" "smtp_tls_policy_maps = socketmap:inet:postfix-tlspol:8642:QUERY" \
  "smtpd_milters = inet:rspamd:9900" "non_smtpd_milters = \$smtpd_milters" "milter_default_action = tempfail" \
  "mydestination = \$myhostname, localhost, $DOMAIN" "postscreen_greet_wait = 1s"
postconf -M smtp/inet="smtp inet n - y - 1 postscreen" smtpd/pass="smtpd pass - - y - - smtpd" \
  tlsproxy/unix="tlsproxy unix - - y - 0 tlsproxy" dnsblog/unix="dnsblog unix - - y - 0 dnsblog" \
  smtp_enforced_tls/unix="smtp_enforced_tls unix - - y - - smtp"
postconf -P smtp_enforced_tls/unix/smtp_tls_security_level=encrypt
clients
mkdir -p /opt/mailcow-dockerized/data/conf/postfix
mv /etc/postfix/main.cf /opt/mailcow-dockerized/data/conf/postfix/main.cf
printf '# Overrides of your own\nmessage_size_limit = 104857600\n' >/opt/mailcow-dockerized/data/conf/postfix/extra.cf
cat /opt/mailcow-dockerized/data/conf/postfix/extra.cf >>/opt/mailcow-dockerized/data/conf/postfix/main.cf
touch /etc/postfix/main.cf
mount --bind /opt/mailcow-dockerized/data/conf/postfix/main.cf /etc/postfix/main.cf
systemctl restart postfix
