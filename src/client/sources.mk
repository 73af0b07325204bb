libclient_a_SOURCES = \
	client/answer.c \
	client/cli.c \
	client/client.c \
	client/reply.c
