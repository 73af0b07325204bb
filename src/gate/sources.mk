# SPDX-License-Identifier: GPL-2.0-or-later
libgate_a_SOURCES = gate/await.c gate/gate.c gate/packet.c gate/waiting.c
