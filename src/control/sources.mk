libcontrol_a_SOURCES = \
	control/args.c \
	control/command.c \
	control/listen.c \
	control/out.c \
	control/record.c \
	control/server.c \
	control/verdict.c
