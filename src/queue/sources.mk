# SPDX-License-Identifier: GPL-2.0-or-later
libqueue_a_SOURCES = queue/cthelper.c queue/packet.c queue/queue.c queue/queue_ct.c queue/queue_kernel.c queue/queue_rules.c queue/seqadj.c
