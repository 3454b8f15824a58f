# shellcheck shell=bash
# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# R-D, a gateway before Exchange: the inside's name server knows the next hop, the recipient table and the content filter's
# name; recipients are verified; a filter is found in /etc/hosts by an old option; the inside hop has its own certificate
# and a policy. One pair for all ports, 465 has its options spelt out.
issue /etc/mail-tls ecdsa "$FQDN"
tlsa "$FQDN" 60 3 /etc/mail-tls/cert.pem
printf 'nameserver 198.51.100.30\nsearch corp.lan\noptions edns0 trust-ad\n' >/etc/resolv.conf
echo "198.51.100.30 amavis.corp.lan" >>/etc/hosts

basics
cat >/etc/postfix/transport <<END
$DOMAIN smtp:[exch.corp.lan]:2525
lists.corp.lan smtp:exch.corp.lan:2525
amavis.corp.lan smtp-amavis:[amavis.corp.lan]:2525
corp.lan relay-native:[amavis.corp.lan]:2525
END
echo "[exch.corp.lan]:2525 encrypt" >/etc/postfix/tls_policy
postmap /etc/postfix/transport /etc/postfix/tls_policy
postconf -e "smtpd_tls_cert_file = /etc/mail-tls/fullchain.pem" "smtpd_tls_key_file = /etc/mail-tls/privkey.pem" \
  "smtpd_tls_security_level = may" "smtp_tls_security_level = may" "relay_domains = $DOMAIN" \
  "transport_maps = hash:/etc/postfix/transport" "smtp_tls_policy_maps = hash:/etc/postfix/tls_policy" \
  "relay_recipient_maps = socketmap:inet:dc1.corp.lan:8642:recipients" \
  "address_verify_map = btree:\$data_directory/verify" "unverified_recipient_reject_code = 550" \
  "smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination, reject_unverified_recipient"
cat >>/etc/postfix/master.cf <<'END'
smtp-amavis unix - - y - 2 smtp
  -o disable_dns_lookups=yes
relay-native unix - - y - - smtp
  -o smtp_host_lookup=native
END
clients "-o smtpd_tls_cert_file=/etc/mail-tls/fullchain.pem" "-o smtpd_tls_key_file=/etc/mail-tls/privkey.pem"
systemctl restart postfix
