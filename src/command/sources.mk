# SPDX-License-Identifier: GPL-2.0-or-later
libcommand_a_SOURCES = \
	command/ask.c \
	command/commands.c \
	command/dump.c \
	command/dump_kernel.c \
	command/dump_wish.c \
	command/health.c \
	command/monitor.c \
	command/page.c \
	command/report.c \
	command/report_peers.c \
	command/report_status.c \
	command/role_command.c \
	command/role_values.c \
	command/status.c \
	command/status_page.c \
	command/status_values.c \
	command/values.c \
	command/job_clients.c
