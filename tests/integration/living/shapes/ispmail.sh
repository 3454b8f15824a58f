# shellcheck shell=bash
# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# R-A, as the ISPmail guide has it: one certificate of certbot for Postfix and Dovecot, virtual domains over LMTP, a milter
# and a policy service; everything chrooted. 3 1 1 of the key in use is published with an hour.
certbot "$FQDN" rsa "$FQDN"
LIVE=/etc/letsencrypt/live/$FQDN
tlsa "$FQDN" 3600 3 "$LIVE/cert.pem"

useradd --system --create-home --home-dir /var/vmail vmail
cat >/etc/dovecot/local.conf <<END
protocols = imap lmtp
ssl = required
ssl_cert = <$LIVE/fullchain.pem
ssl_key = <$LIVE/privkey.pem
mail_location = maildir:/var/vmail/%d/%n
mail_uid = vmail
mail_gid = vmail
auth_username_format = %Lu
passdb {
  driver = static
  args = password=secret
}
userdb {
  driver = static
  args = uid=vmail gid=vmail home=/var/vmail/%d/%n allow_all_users=yes
}
service lmtp {
  unix_listener /var/spool/postfix/private/dovecot-lmtp {
    user = postfix
    group = postfix
    mode = 0600
  }
}
END
sed -i 's/^!include auth-system/#&/' /etc/dovecot/conf.d/10-auth.conf
systemctl restart dovecot

service_unit rspamd /usr/bin/python3 /usr/local/bin/stand-in milter 127.0.0.1 11332

basics
postconf -e "smtpd_tls_cert_file = $LIVE/fullchain.pem" "smtpd_tls_key_file = $LIVE/privkey.pem" \
  "smtpd_tls_security_level = may" "smtp_tls_security_level = may" "smtpd_tls_auth_only = yes" \
  "virtual_mailbox_domains = $DOMAIN" "virtual_mailbox_maps = static:all" \
  "virtual_transport = lmtp:unix:private/dovecot-lmtp" \
  "smtpd_milters = inet:127.0.0.1:11332" "non_smtpd_milters = \$smtpd_milters" "milter_protocol = 6" \
  "smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination, check_policy_service unix:private/quota-status"
# shellcheck disable=SC2016  # for the shell that Postfix starts
cat >/usr/local/bin/quota-status <<'END'
#!/bin/sh
while read -r line; do [ -n "$line" ] || printf 'action=DUNNO\n\n'; done
END
chmod 755 /usr/local/bin/quota-status
cat >>/etc/postfix/master.cf <<'END'
quota-status unix - n n - 0 spawn
  user=nobody argv=/usr/local/bin/quota-status
END
clients
systemctl restart postfix
