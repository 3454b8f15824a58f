# Copyright (c) 2026, mailsec.dane contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option ehlo_name of the modules that talk to mail servers."""

from __future__ import annotations


class ModuleDocFragment:
    """How a module introduces itself to mail servers."""

    DOCUMENTATION = r"""
options:
  ehlo_name:
    description:
      - Name with which to introduce oneself to mail servers. The default is the fully-qualified host name of the
        machine where the module runs, or the literal of its address, such as V([192.0.2.1]), when it has none.
      - Where a server refuses the name, the address literal is tried. When that is refused, too, the outcome is
        V(ehlo-name-refused), and nothing is known about what other clients get.
    type: str
"""
