libclient_a_SOURCES = \
	client/cli.c \
	client/client.c \
	client/reply.c
