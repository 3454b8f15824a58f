# shellcheck shell=bash
# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# What every hand-made host begins with: words for its administrator. $SHAPE is its name, /root/public-ca the CA that mail
# clients trust. Nothing here comes from the roles under test.
set -eu
DOMAIN=$SHAPE.example.nl
FQDN=mx.$DOMAIN
CERTIFICATES=/root/public-ca
# shellcheck disable=SC2034  # the host's own, for the scripts that follow
ADDRESS=$(ip -4 -o addr show eth0 | sed -E 's/.* inet ([0-9.]+).*/\1/;q')
: >/root/tlsa

# issue DIRECTORY rsa|ecdsa NAME…: a key, and a certificate of the public CA for it, in files as certbot calls them
issue() {
  local directory=$1 kind=$2 first=$3 names
  shift 2
  names=$(printf ',DNS:%s' "$@")
  mkdir -p "$directory"
  case $kind in
    rsa) openssl genrsa -out "$directory/privkey.pem" 2048 2>/dev/null ;;
    ecdsa) openssl ecparam -name prime256v1 -genkey -noout -out "$directory/privkey.pem" ;;
  esac
  chmod 600 "$directory/privkey.pem"
  printf '%s\n' "subjectAltName=${names#,}" basicConstraints=CA:FALSE extendedKeyUsage=serverAuth,clientAuth \
    "authorityKeyIdentifier=keyid" >"$directory/extensions"
  openssl req -new -key "$directory/privkey.pem" -subj "/CN=$first" \
    | openssl x509 -req -CA $CERTIFICATES/issuing.pem -CAkey $CERTIFICATES/issuing.key -CAcreateserial -days 80 \
      -extfile "$directory/extensions" -out "$directory/cert.pem" 2>/dev/null
  rm "$directory/extensions"
  cp $CERTIFICATES/issuing.pem "$directory/chain.pem"
  cat "$directory/cert.pem" "$directory/chain.pem" >"$directory/fullchain.pem"
}

# certbot NAME rsa|ecdsa NAME…: the same, laid out as certbot does; the files are /etc/letsencrypt/live/NAME/*.pem
certbot() {
  local name=$1 part
  shift
  issue "/etc/letsencrypt/archive/$name" "$@"
  mkdir -p "/etc/letsencrypt/live/$name"
  chmod 700 /etc/letsencrypt/live /etc/letsencrypt/archive
  for part in privkey cert chain fullchain; do
    mv "/etc/letsencrypt/archive/$name/$part.pem" "/etc/letsencrypt/archive/$name/${part}1.pem"
    ln -s "../../archive/$name/${part}1.pem" "/etc/letsencrypt/live/$name/$part.pem"
  done
}

# tlsa MX-NAME TTL USAGE CERTIFICATE: have a TLSA record published, USAGE 1 1
tlsa() {
  local digest
  digest=$(openssl x509 -in "$4" -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum | cut -d' ' -f1)
  echo "update add _25._tcp.$1. $2 TLSA $3 1 1 $digest" >>/root/tlsa
}

# service UNIT COMMAND…: a daemon of the administrator's own
service_unit() {
  local unit=$1
  shift
  printf '[Service]\nExecStart=%s\nRestart=always\n[Install]\nWantedBy=multi-user.target\n' "$*" \
    >"/etc/systemd/system/$unit.service"
  systemctl enable --quiet --now "$unit"
}

# What any Postfix here has; mail for users is in /var/mail.
basics() {
  printf 'postmaster: root\n' >/etc/aliases
  newaliases
  postconf -e "myhostname = $FQDN" "mydestination = \$myhostname, localhost" "mynetworks = 127.0.0.0/8 [::1]/128" \
    "inet_interfaces = all" "inet_protocols = ipv4" "smtpd_tls_loglevel = 1" "smtp_tls_loglevel = 1" \
    "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination" \
    "minimal_backoff_time = 5s" "maximal_backoff_time = 10s" "queue_run_delay = 5s" "biff = no"
}

# clients: ports 587 and 465 for users' mail programs, with what main.cf has and any options given (-o NAME=VALUE)
clients() {
  cat >>/etc/postfix/master.cf <<END
submission inet n       -       y       -       -       smtpd
  -o syslog_name=postfix/submission
  -o smtpd_tls_security_level=encrypt
smtps     inet  n       -       y       -       -       smtpd
  -o syslog_name=postfix/smtps
  -o smtpd_tls_wrappermode=yes
END
  printf '  %s\n' "$@" | sed '/^ *$/d' >>/etc/postfix/master.cf
}
