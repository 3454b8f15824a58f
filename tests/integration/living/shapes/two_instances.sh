# shellcheck shell=bash
# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# R-J, a list server: tables that the list manager rewrites, a second instance for what goes out, registered with postmulti,
# and a third that only alternate_config_directories knows. 3 1 1 and 2 1 1 are published.
issue /etc/mail-tls ecdsa "$FQDN"
tlsa "$FQDN" 3600 3 /etc/mail-tls/cert.pem
tlsa "$FQDN" 3600 2 /etc/mail-tls/chain.pem
ip addr add 198.51.100.140/24 dev eth0

basics
mkdir -p /var/lib/mailman3/data
echo "lists.$DOMAIN local:" >/var/lib/mailman3/data/postfix_lmtp
postmap /var/lib/mailman3/data/postfix_lmtp
postconf -e "smtpd_tls_cert_file = /etc/mail-tls/fullchain.pem" "smtpd_tls_key_file = /etc/mail-tls/privkey.pem" \
  "smtpd_tls_security_level = may" "smtp_tls_security_level = may" "mydestination = \$myhostname, localhost, $DOMAIN, lists.$DOMAIN" \
  "transport_maps = hash:/var/lib/mailman3/data/postfix_lmtp" "inet_interfaces = $ADDRESS, 127.0.0.1"

postmulti -e init
postmulti -e create -I postfix-out
for name in out lone; do
  [ -d /etc/postfix-$name ] || { cp -r /etc/postfix /etc/postfix-$name; install -d -o postfix /var/lib/postfix-$name; install -d /var/spool/postfix-$name; }
  postconf -c /etc/postfix-$name -e "myhostname = $name.$DOMAIN" "mydestination = " "inet_interfaces = 198.51.100.140" \
    "inet_protocols = ipv4" "smtp_bind_address = 198.51.100.140" "smtp_tls_security_level = may" "smtp_tls_loglevel = 1" \
    "queue_directory = /var/spool/postfix-$name" "data_directory = /var/lib/postfix-$name" "syslog_name = postfix-$name" \
    "master_service_disable = inet" "authorized_submit_users = static:anyone" "transport_maps = " "local_transport = error:no" \
    "smtp_tls_policy_maps = inline:{ provider.nl=encrypt }" "alias_maps = " "queue_run_delay = 5s"
done
postconf -c /etc/postfix-lone -X multi_instance_name multi_instance_enable multi_instance_group multi_instance_wrapper multi_instance_directories
# Debian gives these to the chrooted programs of the instances that postmulti knows.
install -d /var/spool/postfix-lone/etc
cp /etc/resolv.conf /etc/hosts /etc/services /etc/nsswitch.conf /var/spool/postfix-lone/etc
postmulti -i postfix-out -e enable
postconf -e "alternate_config_directories = /etc/postfix-lone"
clients
# Debian's generator makes a unit for each instance that is switched on.
systemctl daemon-reload
systemctl restart postfix
systemctl start postfix@postfix-out
postfix -c /etc/postfix-lone start
