# SPDX-License-Identifier: GPL-2.0-or-later

# conf: arbitrary bytes as a configuration file
check_PROGRAMS += fuzz/conf_fuzz
TESTS += fuzz/conf_fuzz
fuzz_conf_fuzz_SOURCES = fuzz/conf_fuzz.c fuzz/replay.c
fuzz_conf_fuzz_LDADD = $(CONF_LIBS)
EXTRA_DIST += fuzz/corpus/conf

# wire: arbitrary bytes as a datagram or a stream from a peer
check_PROGRAMS += fuzz/decode_fuzz
TESTS += fuzz/decode_fuzz
fuzz_decode_fuzz_SOURCES = fuzz/decode_fuzz.c fuzz/replay.c
fuzz_decode_fuzz_LDADD = $(PROTO_LIBS)
EXTRA_DIST += fuzz/corpus/decode

# flow: arbitrary bytes as a record from the control socket
check_PROGRAMS += fuzz/record_fuzz
TESTS += fuzz/record_fuzz
fuzz_record_fuzz_SOURCES = fuzz/record_fuzz.c fuzz/replay.c
fuzz_record_fuzz_LDADD = $(FLOW_LIBS)
EXTRA_DIST += fuzz/corpus/record

# control, client: arbitrary bytes as a request and as a reply
check_PROGRAMS += fuzz/control_fuzz
TESTS += fuzz/control_fuzz
fuzz_control_fuzz_SOURCES = fuzz/control_fuzz.c fuzz/replay.c
fuzz_control_fuzz_LDADD = $(CLIENT_LIBS)
EXTRA_DIST += fuzz/corpus/control

# helper: arbitrary packets of a flow that has a helper
check_PROGRAMS += fuzz/helper_fuzz
TESTS += fuzz/helper_fuzz
fuzz_helper_fuzz_SOURCES = fuzz/helper_fuzz.c fuzz/replay.c unit/helper/talk.c unit/helper/talk.h
fuzz_helper_fuzz_LDADD = $(HELPER_LIBS)
EXTRA_DIST += fuzz/corpus/helper

# gate: arbitrary bytes as a packet
check_PROGRAMS += fuzz/packet_fuzz
TESTS += fuzz/packet_fuzz
fuzz_packet_fuzz_SOURCES = fuzz/packet_fuzz.c fuzz/replay.c
fuzz_packet_fuzz_LDADD = $(GATE_LIBS)
EXTRA_DIST += fuzz/corpus/packet
