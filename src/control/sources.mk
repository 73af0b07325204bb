libcontrol_a_SOURCES = \
	control/args.c \
	control/command.c \
	control/connection.c \
	control/listen.c \
	control/out.c \
	control/place.c \
	control/record.c \
	control/server.c \
	control/verdict.c \
	control/watch.c
