# SPDX-License-Identifier: GPL-2.0-or-later
libflow_a_SOURCES = flow/expect.c flow/expect_print.c flow/flow.c flow/flow_json.c flow/flow_print.c flow/flow_record.c flow/filter.c \
	flow/judge.c flow/select.c flow/timeouts.c
