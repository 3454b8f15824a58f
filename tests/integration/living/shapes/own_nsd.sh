# shellcheck shell=bash
# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# R-C, as Mail-in-a-Box: NSD serves the domain's signed zone, made anew every night; BIND is the resolver on loopback; one old
# RSA key, its certificate behind a link; DANE is on, and the record is the program's own.
STORAGE=/home/user-data
issue $STORAGE/ssl/first rsa "$FQDN"
mv $STORAGE/ssl/first/privkey.pem $STORAGE/ssl/ssl_private_key.pem
mv $STORAGE/ssl/first/fullchain.pem $STORAGE/ssl/"$FQDN"-20260101.pem
ln -s "$FQDN"-20260101.pem $STORAGE/ssl/ssl_certificate.pem
rm -r $STORAGE/ssl/first
printf 'STORAGE_USER=user-data\nSTORAGE_ROOT=%s\nPRIMARY_HOSTNAME=%s\n' $STORAGE "$FQDN" >/etc/mailinabox.conf
mkdir -p /usr/local/lib/mailinabox

digest=$(openssl x509 -in $STORAGE/ssl/ssl_certificate.pem -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum | cut -d' ' -f1)
cat >/etc/bind/named.conf <<'END'
options {
  directory "/var/cache/bind";
  listen-on { 127.0.0.1; };
  listen-on-v6 { none; };
  recursion yes;
  dnssec-validation yes;
};
END
{
  echo 'zone "." { type hint; file "/etc/lab/root.hints"; };'
  echo 'trust-anchors {'
  sed -E 's/^\S+\s+([0-9]+\s+)?(IN\s+)?DS\s+(\S+ \S+ \S+)\s+(.*)$/  . static-ds \3 "\4";/' /etc/lab/trust-anchor.ds
  echo '};'
} >>/etc/bind/named.conf
systemctl restart named
printf 'nameserver 127.0.0.1\noptions edns0 trust-ad\n' >/etc/resolv.conf

# Not to be started by its installation, with a configuration for every address.
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qq -y install nsd >/dev/null
rm /usr/sbin/policy-rc.d
cd /etc/nsd || exit
cat >zone <<END
\$ORIGIN $DOMAIN.
\$TTL 1800
@ SOA ns1.$DOMAIN. hostmaster.$DOMAIN. 1 300 60 604800 60
@ NS ns1
ns1 A $ADDRESS
@ MX 10 mx
mx A $ADDRESS
_25._tcp.mx TLSA 3 1 1 $digest
END
key=$(ldns-keygen -a ECDSAP256SHA256 -k "$DOMAIN")
ldns-signzone -n -e "$(date -d '+20 days' +%Y%m%d)" -f zone.signed zone "$key"
cat >nsd.conf <<END
server:
    ip-address: $ADDRESS
    zonesdir: /etc/nsd
remote-control:
    control-enable: no
zone:
    name: $DOMAIN
    zonefile: zone.signed
END
systemctl restart nsd
{
  echo "update add $DOMAIN. 5 NS ns1.$DOMAIN."
  echo "update add ns1.$DOMAIN. 5 A $ADDRESS"
  echo "update delete $DOMAIN. MX"
  sed 's/^/update add /; s/\tIN\tDS\t/ 5 DS /; s/ ;.*//' "$key.ds"
} >>/root/tlsa

basics
postconf -e "smtpd_tls_cert_file = $STORAGE/ssl/ssl_certificate.pem" "smtpd_tls_key_file = $STORAGE/ssl/ssl_private_key.pem" \
  "smtpd_tls_security_level = may" "smtp_tls_security_level = dane" "smtp_dns_support_level = dnssec" \
  "mydestination = \$myhostname, localhost, $DOMAIN"
clients
systemctl restart postfix
