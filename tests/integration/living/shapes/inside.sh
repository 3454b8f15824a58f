# shellcheck shell=bash
# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# What stands behind and beside the mail hosts, on one machine: the name server of the inside (corp.lan, names of containers,
# a block list, inside addresses of public names), an Exchange server's stand-in with a self-signed certificate, a provider
# with a certificate of the public CA who relays for one client certificate and is a backup MX, a milter, tables.
cat >/etc/unbound/unbound.conf.d/inside.conf <<END
server:
    interface: 0.0.0.0
    access-control: 198.51.100.0/24 allow
    local-zone: corp.lan. static
    local-data: "corp.lan. SOA inside.corp.lan. x.corp.lan. 1 60 60 60 60"
    local-data: "exch.corp.lan. A $ADDRESS"
    local-data: "dc1.corp.lan. A $ADDRESS"
    local-data: "2.0.0.127.bl.corp.lan. A 127.0.0.2"
    local-data: "rspamd. A $ADDRESS"
    local-data: "postfix-tlspol. A $ADDRESS"
    # The inside view of a signed name: not signed, another address.
    local-zone: store.split-dns.example.nl. static
    local-data: "store.split-dns.example.nl. A $ADDRESS"
END
cat >>/etc/unbound/unbound.conf <<'END'
include: /etc/unbound/unbound.conf.d/inside.conf
server:
    domain-insecure: split-dns.example.nl
END
systemctl restart unbound

for one in "milter 9900" "table 8642"; do
  unit=stand-in-${one%% *}
  # shellcheck disable=SC2086  # two words
  set -- $one
  printf '[Service]\nExecStart=/usr/bin/python3 /usr/local/bin/stand-in %s 0.0.0.0 %s\n[Install]\nWantedBy=multi-user.target\n' \
    "$1" "$2" >"/etc/systemd/system/$unit.service"
  systemctl enable --quiet --now "$unit"
done

# One certificate of its own making for the inside, one of the public CA for the provider.
openssl req -x509 -newkey rsa:2048 -nodes -days 900 -subj /CN=exch.corp.lan -keyout /etc/lab/tls/exch.pem \
  -out /etc/lab/tls/exch-chain.pem 2>/dev/null
issue /etc/lab/tls/provider rsa smtp.provider.nl
cat /etc/lab/tls/provider/privkey.pem /etc/lab/tls/provider/fullchain.pem >/etc/lab/tls/provider.pem
postconf -e "relay_domains = hash:/etc/postfix/relays" "mynetworks = 127.0.0.0/8" "relay_clientcerts = hash:/etc/postfix/clients" \
  "smtpd_tls_ask_ccert = yes" "smtpd_tls_fingerprint_digest = sha256" "disable_vrfy_command = no" \
  "smtpd_relay_restrictions = permit_mynetworks, permit_tls_clientcerts, reject_unauth_destination" \
  "mydestination = \$myhostname, localhost, provider.nl, exch.corp.lan, gateway.example.nl, corp.lan, lists.corp.lan, amavis.corp.lan, store.split-dns.example.nl" \
  "smtpd_tls_security_level = may" "smtpd_sasl_auth_enable = no" "smtpd_tls_received_header = yes"
echo "backup-mx.example.nl x" >/etc/postfix/relays
touch /etc/postfix/clients
postmap /etc/postfix/relays /etc/postfix/clients
postconf -M submission/inet="submission inet n - y - - smtpd" "2525/inet=2525 inet n - y - - smtpd"
postconf -P submission/inet/smtpd_tls_security_level=encrypt \
  submission/inet/smtpd_tls_chain_files=/etc/lab/tls/provider.pem \
  2525/inet/smtpd_tls_security_level=encrypt 2525/inet/smtpd_tls_chain_files=/etc/lab/tls/exch.pem,/etc/lab/tls/exch-chain.pem
systemctl restart postfix
