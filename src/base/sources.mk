libbase_a_SOURCES = \
	base/clock.c \
	base/evloop.c \
	base/gather.c \
	base/hash.c \
	base/json.c \
	base/log.c \
	base/text.c \
	base/values.c
