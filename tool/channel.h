/* SPDX-License-Identifier: MIT */
/*
 * channel.h - the queue, topic or service that a command about messages is for
 *
 * One NAME is enough for most: it names the segment, and the object is the only one of its kind
 * in it; --object names one of several. --create makes what is not there.
 */
#ifndef TOOL_CHANNEL_H
#define TOOL_CHANNEL_H

#include <getopt.h>

#include "tool.h"

/* exit statuses besides those of tool.h, as in dure-send(1) and its kin */
enum {
	EXIT_NOT_IN_TIME = 1,	/* nothing came, or there was no room */
	EXIT_SHUT = 3,		/* nothing more is sent */
	EXIT_PARTIAL = 4,	/* something was lost, cut off or refused */
};

enum channel_kind { CHANNEL_QUEUE, CHANNEL_TOPIC, CHANNEL_SERVICE };

/* what --create makes; 0: the library's default */
struct channel_limits {
	uint64_t size_bytes, mode, messages, bytes, message_bytes, deliveries, subscribers;
};

struct channel {
	const char *command;
	enum channel_kind kind;
	const char *name, *object;	/* object NULL: the only one */
	bool is_created, has_limits;	/* --create, --with */
	bool has_timeout;
	int64_t timeout_ns;
	struct channel_limits limits;

	dure_segment *segment;		/* these: when it is open; one of the three is there */
	dure_queue *queue;
	dure_topic *topic;
	dure_service *service;
	char object_name[DURE_OBJECT_NAME_MAX + 1];
};

#define CHANNEL_LONG_OPTIONS                                                                      \
	{ "timeout", required_argument, NULL, 'T' }, { "create", no_argument, NULL, 'c' },        \
	{ "with", required_argument, NULL, 'w' }, { "object", required_argument, NULL, 'O' },     \
	{ "help", no_argument, NULL, 'h' }, { 0 }
#define CHANNEL_OPTIONS "T:cw:O:h"

/* One of these: -1 to go on, or the exit status */
int channel_option(struct channel *channel, const struct command *command, int c);
/* 0, or an exit status, complained about */
int channel_open(struct channel *channel, const char *name);
void channel_close(struct channel *channel);

/* A message of more bytes than that is never let in. */
uint64_t channel_bytes_max(const struct channel *channel);

/* A call failed: the exit status. That nothing came in time, or nothing more comes, is no trouble,
   and not complained about */
int channel_failure(const struct channel *channel, int r);
/* the same of what was to be sent: that it was not is always said */
int channel_refusal(const struct channel *channel, int r);

/* -- arguments; false: wrong, and complained about -- */
bool read_count(const char *command, const char *option, const char *text, uint64_t max,
		uint64_t *ret);
/* a message's: 1 and above */
bool read_type(const char *command, const char *text, int64_t *ret);
/* 2, 0.5, 90s, 15m */
bool read_duration(const char *command, const char *option, const char *text, int64_t *ret_ns);
/* a number, or "all" */
bool read_history(const char *command, const char *text, uint64_t *ret);
/* T, -T, ^T: of this type; the lowest up to it; any but it */
bool read_selector(const char *command, const char *text, struct dure_queue_select *ret);

#endif
