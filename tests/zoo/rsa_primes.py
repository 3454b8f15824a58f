# Copyright (c) 2026, mailsec.dane contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Primes of throw-away RSA keys; RSA keys cannot be derived from a label in a moment, the others are."""

from __future__ import annotations

PRIMES = (
    (
        int(
            "e84728b455f7456857322d1ca61342e058159911a5715e43fbb39cf99026024733e108dd502f18974f6bb8bf4ed2d3e3d7e0"
            "25b1ec5564f8e0ed00de7147bbd6cd54f2eb22ed2ce231d986180016abe518bd1750992b55035f17e50f0d923ed2abd43717"
            "7d3bf9e84150a0e1cfebbc445e61aa08a0e1a28f7e318fe0593c8d83",
            16,
        ),
        int(
            "c748741cafc2c2903c7c1595ddfddd1b95bf35115d220208a12983288da241aae113b19ff9f7e773d2b6d5a26aba5547277f"
            "e190f7add469274177f0867929dc8499800fc6b8ac43aa75c451465f90c3b52d671f289a385d8b16d970414e8b638d1e2a9a"
            "c297f5a288ded32615de9baaa4692fdd62c089473607a4919d38225d",
            16,
        ),
    ),
    (
        int(
            "fb2daaa40a6a2fa40351b4e36ea6e965c6f7c94b468a0d04011716f7a95dbdcd1ff9020c6b8debf9c8a61ccb73a1532af513"
            "62c494968e45356116a9aa9b55c9a45fba93a76f70d286b632e0054b38126ac08e1d94627dfcc826ad75c65843f95701320f"
            "a5751fe85b6714682a084cf00ab2d938003aae089eaf9c10a088be4f",
            16,
        ),
        int(
            "e17db9a89a293cf6845238d26730103cda42185535ee91c0769af0fd7e70e4885ec89e77740354707afb7d6aab9fe4045ed3"
            "83d5f57fe559ee887a5a7e3642bc320409caa56975c2b213e578fd3ec2b23514a391c9dc2fc87060b426671268db2ca2653f"
            "4569d3a102d9c21152e88c185a5f38e8ef8d4ba12c4c33c3668be187",
            16,
        ),
    ),
)
