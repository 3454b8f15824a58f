# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn the parameters of a lab (JSON) into plain files: host table, zone files, configuration, inventory.

Nothing here touches the network or the running lab, and the same parameters always give the same files. Secrets are
not known here: keys, trust anchor and DS records are added by start.sh and init.sh.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import sys
import typing as t
from pathlib import Path

HEADER = "Written by role mailsec.dane.lab; changes are lost when the lab starts again"
ROLE_PACKAGES: dict[str, tuple[str, ...]] = {
    "bare": (),
    "primary": ("bind9", "bind9-utils"),
    "secondary": ("knot",),
    "resolver": ("unbound",),
    "sender": ("openssl", "postfix", "rsyslog", "swaks", "unbound"),
    "vantage": ("unbound",),
}
NAME = re.compile(r"[a-z][a-z0-9-]{0,9}")
DOMAIN = re.compile(r"\.|(?!-)[a-z0-9-]{1,63}(\.[a-z0-9_-]{1,63})*")
PACKAGE = re.compile(r"[a-z0-9][a-z0-9.+-]+")


class PlanError(Exception):
    """The parameters contradict each other; the message says where."""


class Host(t.NamedTuple):
    """One machine of the lab. ``address`` is the last octet of its IPv4 address and, as text, of its IPv6 address."""

    name: str
    address: int
    ipv6: bool
    release: str
    role: str
    groups: tuple[str, ...]
    packages: tuple[str, ...]
    fqdn: str
    domains: tuple[str, ...]
    certificate_names: tuple[str, ...]
    variables: dict[str, t.Any]


class Zone(t.NamedTuple):
    """One zone, its name without the trailing dot (the root is ``.``), TTL in seconds."""

    name: str
    signed: bool
    parent_ds: bool
    ttl: int
    records: tuple[str, ...]

    @property
    def origin(self) -> str:
        return "." if self.name == "." else self.name + "."

    @property
    def file(self) -> str:
        return "root.zone" if self.name == "." else self.name + ".zone"


class Lab(t.NamedTuple):
    """Everything the files are made from."""

    hosts: tuple[Host, ...]
    zones: tuple[Zone, ...]
    prefix4: str
    prefix6: str
    parameters: dict[str, t.Any]

    def addresses(self, host: Host) -> list[tuple[str, str]]:
        """Record type and address of each address of a host."""
        found = [("A", f"{self.prefix4}.{host.address}")]
        if host.ipv6:
            found.append(("AAAA", f"{self.prefix6}::{host.address}"))
        return found

    def with_role(self, *roles: str) -> list[Host]:
        return [host for host in self.hosts if host.role in roles]

    @property
    def primary(self) -> Host:
        return self.with_role("primary")[0]

    @property
    def name_servers(self) -> list[Host]:
        return self.with_role("primary", "secondary")

    def zone_of(self, name: str) -> Zone:
        """The zone with the longest name that encloses ``name``."""
        enclosing = [zone for zone in self.zones if is_below(name, zone.name) or name == zone.name]
        return max(enclosing, key=lambda zone: label_count(zone.name))

    def parent_of(self, zone: Zone) -> Zone:
        above = [other for other in self.zones if is_below(zone.name, other.name)]
        return max(above, key=lambda other: label_count(other.name))


def label_count(name: str) -> int:
    return 0 if name == "." else name.count(".") + 1


def is_below(name: str, ancestor: str) -> bool:
    return name != ancestor and (ancestor == "." or name.endswith("." + ancestor))


def read_host(raw: dict[str, t.Any]) -> Host:
    role = raw.get("role", "bare")
    if role not in ROLE_PACKAGES:
        raise PlanError(f"host {raw['name']}: unknown role {role!r}; known are {', '.join(ROLE_PACKAGES)}")
    host = Host(
        name=raw["name"],
        address=int(raw["address"]),
        ipv6=bool(raw.get("ipv6", False)),
        release=raw.get("release", "bookworm"),
        role=role,
        groups=tuple(raw.get("groups", ())),
        packages=tuple(sorted({*ROLE_PACKAGES[role], *raw.get("packages", ())})),
        fqdn=raw["fqdn"].rstrip(".").lower(),
        domains=tuple(raw.get("domains", ())),
        certificate_names=tuple(raw.get("certificate_names", ())),
        variables=dict(raw.get("variables", {})),
    )
    if not NAME.fullmatch(host.name):
        raise PlanError(f"host name {host.name!r}: at most 10 characters of a-z, 0-9 and '-', a letter first")
    if not 2 <= host.address <= 254:
        raise PlanError(f"host {host.name}: address {host.address} must be 2 to 254 (1 is the lab's bridge)")
    if not DOMAIN.fullmatch(host.fqdn) or "." not in host.fqdn:
        raise PlanError(f"host {host.name}: fqdn {host.fqdn!r} is not a host name with a domain")
    wrong = [package for package in host.packages if not PACKAGE.fullmatch(package)]
    if wrong:
        raise PlanError(f"host {host.name}: not Debian package names: {', '.join(wrong)}")
    return host


def read_zones(raw: list[dict[str, t.Any]], ttl: int, hosts: tuple[Host, ...]) -> tuple[Zone, ...]:
    zones: dict[str, Zone] = {}
    for entry in raw:
        name = entry["name"] if entry["name"] == "." else entry["name"].rstrip(".").lower()
        if not DOMAIN.fullmatch(name):
            raise PlanError(f"zone {name!r}: not a domain name")
        if name in zones:
            raise PlanError(f"zone {name} is listed twice")
        signed = bool(entry.get("signed", True))
        zone_ttl = int(entry.get("ttl", ttl))
        if zone_ttl < 1:
            raise PlanError(f"zone {name}: ttl must be at least 1 second")
        records = tuple(entry.get("records", ()))
        if any("\n" in record for record in records):
            raise PlanError(f"zone {name}: one record per list entry, without line breaks")
        zones[name] = Zone(name, signed, bool(entry.get("parent_ds", signed)), zone_ttl, records)
    zones.setdefault(".", Zone(".", True, True, ttl, ()))
    # The last label of every name in use becomes a signed TLD, so that the chain of trust has no gap.
    for name in [*zones, *(host.fqdn for host in hosts)]:
        top = name.rsplit(".", 1)[-1]
        if name != ".":
            zones.setdefault(top, Zone(top, True, True, ttl, ()))
    # Children first: the DS of a zone goes into its parent.
    return tuple(sorted(zones.values(), key=lambda zone: (-label_count(zone.name), zone.name)))


def read_lab(parameters: dict[str, t.Any]) -> Lab:
    hosts = tuple(read_host(raw) for raw in parameters["hosts"])
    for what, values in (
        ("name", [host.name for host in hosts]),
        ("address", [str(host.address) for host in hosts]),
        ("fqdn", [host.fqdn for host in hosts]),
    ):
        double = {value for value in values if values.count(value) > 1}
        if double:
            raise PlanError(f"hosts share the same {what}: {', '.join(sorted(double))}")
    if len([host for host in hosts if host.role == "primary"]) != 1:
        raise PlanError("exactly one host needs the role primary: the name server of all zones")
    if not [host for host in hosts if host.role == "resolver"]:
        raise PlanError("at least one host needs the role resolver: the hosts' /etc/resolv.conf points to it")
    if "vantage" in [host.name for host in hosts]:
        raise PlanError("the name vantage is taken: it is the controller itself, seen inside the lab")
    zones = read_zones(parameters["zones"], int(parameters["ttl"]), hosts)
    return Lab(hosts, zones, parameters["ipv4_prefix"], parameters["ipv6_prefix"], parameters)


def zone_text(lab: Lab, zone: Zone) -> str:
    """Zone file: SOA, NS, delegations with glue, the hosts that live in it, then the listed records."""
    servers = [host.fqdn + "." for host in lab.name_servers]
    lines = [
        f"; {HEADER}",
        f"$ORIGIN {zone.origin}",
        f"$TTL {zone.ttl}",
        f"@ SOA {servers[0]} hostmaster.{servers[0]} 1 300 5 604800 {zone.ttl}",
        *(f"@ NS {server}" for server in servers),
    ]
    for child in lab.zones:
        if child.name != "." and lab.parent_of(child) == zone:
            lines += [f"{child.origin} NS {server}" for server in servers]
    for host in lab.hosts:
        glue = host in lab.name_servers and is_below(host.fqdn, zone.name)
        if lab.zone_of(host.fqdn) == zone or glue:
            lines += [f"{host.fqdn}. {kind} {address}" for kind, address in lab.addresses(host)]
    return "\n".join([*lines, *zone.records, ""])


def root_hints(lab: Lab) -> str:
    lines = [f"; {HEADER}"]
    for host in lab.name_servers:
        lines.append(f". 3600000 NS {host.fqdn}.")
        lines += [f"{host.fqdn}. 3600000 {kind} {address}" for kind, address in lab.addresses(host)]
    return "\n".join([*lines, ""])


def named_conf(lab: Lab) -> str:
    secondaries = [address for host in lab.with_role("secondary") for kind, address in lab.addresses(host)[:1]]
    also_notify = "".join(f'{address} key "lab."; ' for address in secondaries)
    lines = [
        f"// {HEADER}",
        'include "/etc/bind/lab.tsig";',
        'include "/etc/bind/lab-policy.conf";',
        "options {",
        '  directory "/var/cache/bind";',
        "  listen-on { any; };",
        "  listen-on-v6 { any; };",
        "  recursion no;",
        "  dnssec-validation no;",
        f"  notify-delay {int(lab.parameters['notify_delay'])};",
        "  startup-notify-rate 200;",
        "  notify-rate 200;",
        "  notify explicit;",
        f"  also-notify {{ {also_notify}}};",
        '  allow-transfer { key "lab."; };',
        '  allow-update { key "lab."; };',
        "};",
    ]
    for zone in lab.zones:
        signing = '\n  dnssec-policy "lab";\n  inline-signing yes;' if zone.signed else ""
        lines.append(
            f'zone "{zone.origin}" {{\n  type primary;\n  file "/var/lib/bind/{zone.file}";{signing}\n'
            '  key-directory "/var/lib/bind/keys";\n};'
        )
    return "\n".join([*lines, ""])


def policy_conf(lab: Lab) -> str:
    ttl = max(zone.ttl for zone in lab.zones)
    return (
        f'// {HEADER}\ndnssec-policy "lab" {{\n  keys {{ csk lifetime unlimited algorithm ecdsap256sha256; }};\n'
        f"  dnskey-ttl {ttl};\n  max-zone-ttl 86400;\n}};\n"
    )


def knot_conf(lab: Lab) -> str:
    primary = lab.addresses(lab.primary)[0][1]
    zones = "".join(f'  - domain: "{zone.origin}"\n' for zone in lab.zones)
    return f"""# {HEADER}
include: "/etc/knot/lab-key.conf"
server:
    rundir: "/run/knot"
    user: knot:knot
    listen: [ 0.0.0.0@53, "::@53" ]
    background-workers: 2
    udp-workers: 1
    tcp-workers: 1
log:
  - target: syslog
    any: info
database:
    storage: "/var/lib/knot"
remote:
  - id: primary
    address: {primary}@53
    key: lab.
acl:
  - id: notify-from-primary
    address: {primary}
    key: lab.
    action: notify
  - id: transfer
    key: lab.
    action: transfer
template:
  - id: default
    storage: "/var/lib/knot"
    master: primary
    acl: [ notify-from-primary, transfer ]
    zonefile-sync: -1
    journal-content: all
zone:
{zones}"""


def unbound_conf(lab: Lab, host: Host) -> str:
    everywhere = host.role == "resolver"
    # In a network without an uplink, and access-control below names that network only.
    interfaces = ("0.0.0.0", "::0") if everywhere else ("127.0.0.1", "::1")  # noqa: S104
    lines = [
        f"# {HEADER}",
        "server:",
        *(f"    interface: {interface}" for interface in interfaces),
        f"    access-control: {lab.prefix4}.0/24 allow",
        f"    access-control: {lab.prefix6}::/64 allow",
        "    access-control: 127.0.0.0/8 allow",
        "    access-control: ::1/128 allow",
        '    module-config: "validator iterator"',
        '    root-hints: "/etc/lab/root.hints"',
        '    trust-anchor-file: "/etc/lab/trust-anchor.ds"',
        "    trust-anchor-signaling: no",
        "    do-not-query-localhost: no",
        "    ede: yes",
        "    val-log-level: 2",
        # A record published a moment ago must not stay NXDOMAIN in a rehearsal.
        "    cache-max-negative-ttl: 0",
        "    aggressive-nsec: no",
        '    chroot: ""',
        *(['    username: ""', "    use-syslog: no", "    do-daemonize: no"] if host.role == "vantage" else []),
        "remote-control:",
        "    control-enable: yes",
        "    control-interface: /run/unbound.ctl",
        "",
    ]
    return "\n".join(lines)


def sender_main_cf(lab: Lab, host: Host) -> str:
    certificate = "smtpd_tls_chain_files = /etc/lab/tls/chain.pem\nsmtpd_tls_security_level = may\n"
    return f"""# {HEADER}
compatibility_level = 3.6
myhostname = {host.fqdn}
mydomain = {host.fqdn.split(".", 1)[1]}
myorigin = $mydomain
mydestination = {", ".join(("$myhostname", "localhost", *host.domains))}
mynetworks = 127.0.0.0/8 [::1]/128
relayhost =
inet_interfaces = all
inet_protocols = all
alias_maps = hash:/etc/aliases
alias_database = hash:/etc/aliases
local_recipient_maps =
luser_relay = lab
mailbox_size_limit = 0
biff = no
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_tls_loglevel = 1
smtpd_tls_received_header = yes
{certificate if host.certificate_names else ""}smtp_dns_support_level = dnssec
smtp_tls_security_level = dane
smtp_host_lookup = dns
smtp_tls_loglevel = 1
smtp_tls_CAfile =
# One delivery per process: a smtp(8) process keeps TLSA records for their TTL and would hide a change.
max_use = 1
minimal_backoff_time = 5s
maximal_backoff_time = 10s
queue_run_delay = 5s
bounce_queue_lifetime = 1h
maximal_queue_lifetime = 1h
"""


def setup_script(lab: Lab, host: Host) -> str:
    """Shell text that runs once in the host's file system, before it boots, when packages' users exist."""
    lines = ["set -eu"]
    if host.role == "primary":
        lines += [
            "chown root:bind /etc/bind/lab.tsig",
            "chmod 0640 /etc/bind/lab.tsig",
            "install -d -o bind -g bind /var/lib/bind/keys",
            "chown -R bind:bind /var/lib/bind",
        ]
    if host.role == "secondary":
        lines += ["chown root:knot /etc/knot/lab-key.conf /etc/knot/knot.conf", "chmod 0640 /etc/knot/lab-key.conf"]
    if host.role in ("resolver", "sender", "vantage"):
        lines += ["rm -f /etc/unbound/unbound.conf.d/root-auto-trust-anchor-file.conf"]
    if host.role == "sender":
        lines += [
            "useradd --create-home --shell /bin/sh lab",
            "printf 'postmaster: root\\nroot: lab\\n' > /etc/aliases",
            "newaliases",
            f"echo {shlex.quote(host.fqdn)} > /etc/mailname",
        ]
    return "\n".join([*lines, ""])


def host_files(lab: Lab, host: Host) -> dict[str, str]:
    """Path below the host's root and content of every file that differs from the image."""
    resolvers = [address for other in lab.with_role("resolver") for dummy, address in lab.addresses(other)[:1]]
    if host.role in ("resolver", "sender", "vantage"):
        resolvers = ["127.0.0.1"]
    short = "localhost" if host.role == "vantage" else f"{host.fqdn} {host.name}"
    address_lines = "".join(f"{address} {short}\n" for dummy, address in lab.addresses(host))
    files = {
        "etc/hostname": host.fqdn + "\n",
        "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n" + address_lines,
        "etc/machine-id": hashlib.md5(host.name.encode(), usedforsecurity=False).hexdigest() + "\n",
        "etc/resolv.conf": "".join(f"nameserver {address}\n" for address in resolvers) + "options edns0 trust-ad\n",
        "etc/lab/root.hints": root_hints(lab),
        "etc/lab/setup": setup_script(lab, host),
    }
    if host.role == "primary":
        files["etc/bind/named.conf"] = named_conf(lab)
        files["etc/bind/lab-policy.conf"] = policy_conf(lab)
        for zone in lab.zones:
            files["var/lib/bind/" + zone.file] = zone_text(lab, zone)
    if host.role == "secondary":
        files["etc/knot/knot.conf"] = knot_conf(lab)
    if host.role in ("resolver", "sender", "vantage"):
        files["etc/unbound/unbound.conf"] = unbound_conf(lab, host)
    if host.role == "sender":
        files["etc/postfix/main.cf"] = sender_main_cf(lab, host)
    return files


def vantage(lab: Lab) -> Host:
    """The controller's own validating resolver: not a host, but built from an image in the same way."""
    release = lab.with_role("resolver")[0].release
    return Host("vantage", 1, True, release, "vantage", (), ROLE_PACKAGES["vantage"], "vantage.invalid", (), (), {})


def yaml_text(value: t.Any, indent: int = 0) -> str:
    """YAML for nested mappings of scalars; JSON scalars are YAML."""
    pad = "  " * indent
    lines = []
    for key, inner in value.items():
        if isinstance(inner, dict):
            lines.append(f"{pad}{key}:\n{yaml_text(inner, indent + 1)}" if inner else f"{pad}{key}: {{}}\n")
        else:
            lines.append(f"{pad}{key}: {json.dumps(inner)}\n")
    return "".join(lines)


def inventory(lab: Lab) -> dict[str, t.Any]:
    directory = lab.parameters["directory"]
    common = {
        "ansible_user": "root",
        "ansible_connection": "ssh",
        "ansible_ssh_executable": f"{directory}/bin/ssh",
        "ansible_ssh_private_key_file": f"{directory}/keys/ssh",
        "ansible_ssh_transfer_method": "piped",
        "ansible_ssh_pipelining": True,
        "ansible_control_path_dir": f"{directory}/cp",
        "ansible_ssh_args": f"-F none -o ControlMaster=auto -o ControlPersist=60s -o IdentitiesOnly=yes"
        # A host whose link is cut is noticed, also over a connection that is shared and open.
        " -o ServerAliveInterval=5 -o ServerAliveCountMax=3"
        f" -o UserKnownHostsFile={directory}/keys/known_hosts -o StrictHostKeyChecking=yes -o LogLevel=ERROR",
        "ansible_python_interpreter": "/usr/bin/python3",
        "lab_trust_anchor_file": "/etc/lab/trust-anchor.ds",
        "lab_root_hints_file": "/etc/lab/root.hints",
        # Ansible's facts do not have them: in a network namespace /sys shows the interfaces of the machine.
        "rotation_own_addresses": "{{ lab_addresses }}",
    }
    hosts = {
        host.name: {
            "ansible_host": f"{lab.prefix4}.{host.address}",
            "lab_fqdn": host.fqdn,
            "lab_release": host.release,
            "lab_addresses": [address for dummy, address in lab.addresses(host)],
            **host.variables,
        }
        for host in lab.hosts
    }
    groups = sorted({group for host in lab.hosts for group in host.groups})
    children: dict[str, t.Any] = {"lab": {"hosts": hosts, "vars": common}}
    for group in groups:
        children[group] = {"hosts": {host.name: {} for host in lab.hosts if group in host.groups}}
    # Not in group lab: whatever reboots or reinstalls the lab's hosts must never do so to the controller.
    children["lab_controller"] = {
        "hosts": {
            "vantage": {
                "ansible_connection": "local",
                "ansible_python_interpreter": f"{directory}/bin/python",
            }
        }
    }
    return {"all": {"vars": dict(lab.parameters.get("variables", {})), "children": children}}


def environment(lab: Lab) -> str:
    p = lab.parameters
    releases = sorted({host.release for host in lab.hosts})
    values = {
        "LAB_CACHE": p["cache_directory"],
        "LAB_MIRROR": p["mirror"],
        "LAB_SECURITY_MIRROR": p["security_mirror"],
        "LAB_PREFIX4": lab.prefix4,
        "LAB_PREFIX6": lab.prefix6,
        "LAB_STORAGE": p["storage_size"],
        "LAB_RELEASES": " ".join(releases),
    }
    for release in releases:
        listed = {*p["repository_packages"], *p["repository_packages_by_release"].get(release, ())}
        layered = {name for host in (*lab.hosts, vantage(lab)) if host.release == release for name in host.packages}
        wrong = [name for name in listed | layered if not PACKAGE.fullmatch(name)]
        if wrong:
            raise PlanError(f"not Debian package names: {', '.join(sorted(wrong))}")
        values[f"LAB_REPOSITORY_{release}"] = " ".join(sorted(listed | layered))
    return "".join(f"{name}={shlex.quote(str(value))}\n" for name, value in values.items())


def tables(lab: Lab) -> dict[str, str]:
    hosts = [
        "\t".join(
            (
                host.name,
                str(host.address),
                "1" if host.ipv6 else "0",
                host.release,
                ",".join(host.packages) or "-",
                host.role,
                host.fqdn,
                ",".join(host.certificate_names) or "-",
            )
        )
        for host in (*lab.hosts, vantage(lab))
    ]
    zones = [
        "\t".join(
            (
                zone.origin,
                zone.file,
                "1" if zone.signed else "0",
                "-" if zone.name == "." else lab.parent_of(zone).file,
                "1" if zone.parent_ds else "0",
            )
        )
        for zone in lab.zones
    ]
    return {"hosts.tsv": "\n".join([*hosts, ""]), "zones.tsv": "\n".join([*zones, ""])}


def write_plan(lab: Lab, target: Path) -> None:
    files = {"lab.env": environment(lab), **tables(lab)}
    files["inventory.yml"] = f"# {HEADER}\n---\n{yaml_text(inventory(lab))}"
    for host in (*lab.hosts, vantage(lab)):
        for path, text in host_files(lab, host).items():
            files[f"files/{host.name}/{path}"] = text
    for name, text in files.items():
        file = target / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def main() -> int:
    """``plan.py TARGET < parameters.json``: write the plan into the new directory TARGET."""
    try:
        write_plan(read_lab(json.load(sys.stdin)), Path(sys.argv[1]))
    except PlanError as error:
        print(f"The lab's parameters do not fit together: {error}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
