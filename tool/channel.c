/* SPDX-License-Identifier: MIT */
/*
 * channel.c - the queue, topic or service that a command about messages is for
 */
#include "channel.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "list.h"

static const struct {
	const char *what, *type;
} kinds[] = {
	[CHANNEL_QUEUE] = { "queue", "dure_queue" },
	[CHANNEL_TOPIC] = { "topic", "dure_topic" },
	[CHANNEL_SERVICE] = { "service", "dure_service" },
};

/* -- arguments --------------------------------------------------------------------------- */

bool read_count(const char *command, const char *option, const char *text, uint64_t max,
		uint64_t *ret)
{
	uint64_t n;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || n > max) {
		complain(command, "%s %s: a whole number up to %llu is wanted", option, text,
			 (unsigned long long)max);
		return false;
	}
	*ret = n;
	return true;
}

bool read_history(const char *command, const char *text, uint64_t *ret)
{
	if (strcmp(text, "all") != 0)
		return read_count(command, "--history", text, UINT64_MAX, ret);
	*ret = DURE_TOPIC_ALL;
	return true;
}

bool read_duration(const char *command, const char *option, const char *text, int64_t *ret_ns)
{
	static const struct {
		const char *unit;
		double seconds;
	} units[] = { { "", 1 }, { "ms", 1e-3 }, { "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 } };
	char *end = (char *)(uintptr_t)text;
	double n = *text >= '0' && *text <= '9' ? strtod(text, &end) : NAN;

	for (size_t i = 0; isfinite(n) && i < sizeof units / sizeof *units; i++)
		if (strcmp(end, units[i].unit) == 0 && n * units[i].seconds < 9e9) {
			*ret_ns = (int64_t)(n * units[i].seconds * 1e9);
			return true;
		}
	complain(command, "%s %s: no time, as 2, 0.5, 100ms, 90s, 15m, 2h", option, text);
	return false;
}

/* The digits of a type, to the end. */
static bool read_digits(const char *text, int64_t *ret)
{
	uint64_t type;
	char *end;

	errno = 0;
	type = strtoull(text, &end, 10);
	*ret = (int64_t)type;
	return *text >= '0' && *text <= '9' && !*end && !errno && type > 0 && type <= INT64_MAX;
}

bool read_type(const char *command, const char *text, int64_t *ret)
{
	if (read_digits(text, ret))
		return true;
	complain(command, "--type %s: a number from 1 up is wanted", text);
	return false;
}

bool read_selector(const char *command, const char *text, struct dure_queue_select *ret)
{
	if (!read_digits(text + (*text == '-' || *text == '^'), &ret->type)) {
		complain(command, "--type %s: T, -T or ^T is wanted, with a T from 1 up", text);
		return false;
	}
	ret->select = *text == '-' ? DURE_SELECT_UP_TO : *text == '^' ? DURE_SELECT_EXCEPT
								      : DURE_SELECT_TYPE;
	return true;
}

/* -- options ----------------------------------------------------------------------------- */

static bool read_mode(const char *text, uint64_t *ret)
{
	char *end;

	*ret = strtoull(text, &end, 8);
	return *text >= '0' && *text <= '7' && !*end && *ret > 0 && *ret <= 0777;
}

/* one of NAME=AMOUNT,... */
static bool read_limit(struct channel_limits *l, const char *name, const char *amount)
{
	const struct {
		const char *name;
		uint64_t *amount;
	} limits[] = {
		{ "size", &l->size_bytes },	    { "messages", &l->messages },
		{ "bytes", &l->bytes },		    { "message", &l->message_bytes },
		{ "deliveries", &l->deliveries },   { "subscribers", &l->subscribers },
	};

	if (strcmp(name, "mode") == 0)
		return read_mode(amount, &l->mode);
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
		if (strcmp(name, limits[i].name) == 0)
			return read_quantity(amount, false, limits[i].amount);
	return false;
}

static bool read_limits(struct channel *c, const char *list)
{
	c->has_limits = true;
	char *copy = or_exit(strdup(list)), *at = copy, *one;
	bool is_good = true;

	while (is_good && (one = strsep(&at, ","))) {
		char *amount = strchr(one, '=');
		if (amount)
			*amount++ = '\0';
		is_good = amount && read_limit(&c->limits, one, amount);
	}
	free(copy);
	if (is_good && c->limits.deliveries <= UINT32_MAX && c->limits.subscribers <= UINT32_MAX)
		return true;
	complain(c->command, "--with %s: size, messages, bytes, message, deliveries, subscribers or "
		 "mode is wanted, '=', an amount, and a comma before the next one", list);
	return false;
}

int channel_option(struct channel *channel, const struct command *command, int c)
{
	switch (c) {
	case 'T':
		channel->has_timeout = true;
		return read_duration(channel->command, "--timeout", optarg, &channel->timeout_ns)
			       ? -1 : EXIT_TROUBLE;
	case 'c':
		channel->is_created = true;
		return -1;
	case 'w':
		return read_limits(channel, optarg) ? -1 : EXIT_TROUBLE;
	case 'O':
		channel->object = optarg;
		return -1;
	case 'h':
		return print_usage(command, stdout);
	default:
		return print_usage(command, stderr);
	}
}

/* -- opening ----------------------------------------------------------------------------- */

struct search {
	const char *type;
	unsigned count;
	char first[DURE_OBJECT_NAME_MAX + 1];
	char names[400];		/* of all, as far as they fit */
};

static int look(const struct dure_object_info *info, void *context)
{
	struct search *s = context;
	size_t used = strlen(s->names);

	if (info->kind != 1 || strcmp(info->type_name, s->type) != 0)
		return 0;
	if (s->count++ == 0)
		snprintf(s->first, sizeof s->first, "%s", info->name);
	snprintf(s->names + used, sizeof s->names - used, "%s%s", used ? ", " : "", info->name);
	return 0;
}

/* Which object is meant. */
static int choose(struct channel *c)
{
	struct search s = { .type = kinds[c->kind].type };
	const char *what = kinds[c->kind].what, *chosen = c->object;

	if (!chosen && dure_object_list(c->segment, look, &s) < 0)
		return complain_segment(c->command, c->name);
	if (!chosen && s.count > 1)
		return complain(c->command, "%s has %u %ss; --object says which: %s", c->name, s.count,
				what, s.names);
	if (!chosen && !s.count && !c->is_created)
		return complain(c->command, "%s has no %s; --create makes one", c->name, what);
	if (!chosen)
		chosen = s.count ? s.first : what;
	if (!*chosen || strlen(chosen) >= sizeof c->object_name)
		return complain(c->command, "--object: a name has 1 to %d bytes", DURE_OBJECT_NAME_MAX);
	snprintf(c->object_name, sizeof c->object_name, "%s", chosen);
	return EXIT_FINE;
}

static int open_object(struct channel *c, uint32_t flags)
{
	const struct channel_limits *l = &c->limits;
	struct dure_queue_options queue = {
		.sz = sizeof queue, .messages_max = l->messages, .bytes_max = l->bytes,
		.message_bytes_max = l->message_bytes, .deliveries_max = (uint32_t)l->deliveries,
	};
	struct dure_topic_options topic = {
		.sz = sizeof topic, .messages_max = l->messages, .bytes_max = l->bytes,
		.message_bytes_max = l->message_bytes, .subscribers_max = (uint32_t)l->subscribers,
	};
	struct dure_service_options service = {
		.sz = sizeof service, .requests_max = l->messages, .bytes_max = l->bytes,
		.request_bytes_max = l->message_bytes,
	};

	if (c->kind == CHANNEL_QUEUE)
		return dure_queue_open(c->segment, c->object_name, flags, &queue, &c->queue);
	if (c->kind == CHANNEL_TOPIC)
		return dure_topic_open(c->segment, c->object_name, flags, &topic, &c->topic);
	return dure_service_open(c->segment, c->object_name, flags, &service, &c->service);
}

/* What is asked for can be made. */
static int check_creation(const struct channel *c, const char *name)
{
	if (c->has_limits && !c->is_created)
		return complain(c->command, "--with says what --create makes, and that is not there");
	if ((c->limits.deliveries && c->kind != CHANNEL_QUEUE) ||
	    (c->limits.subscribers && c->kind != CHANNEL_TOPIC))
		return complain(c->command, "--with: a %s has no such limit", kinds[c->kind].what);
	if (c->is_created && strncmp(name, "sysv:", 5) == 0 && !strchr(name, '/'))
		return complain(c->command, "%s: the kernel chooses identifiers: --create needs a name or "
				"a path", name);
	return EXIT_FINE;
}

int channel_open(struct channel *c, const char *name)
{
	uint32_t flags = c->is_created ? DURE_CREATE | DURE_OPEN : DURE_OPEN;
	struct dure_segment_options options;
	const char *plain = segment_by_name(name, &options);
	int r = check_creation(c, name);

	if (r != EXIT_FINE)
		return r;
	c->name = name;
	if (!c->has_timeout)
		c->timeout_ns = DURE_FOREVER;
	if (c->is_created) {
		options.size_bytes = c->limits.size_bytes;
		options.mode = (uint32_t)c->limits.mode;
	}
	if (dure_segment_open(plain, flags, &options, &c->segment) < 0)
		return complain_segment(c->command, name);
	r = choose(c);
	if (r == EXIT_FINE && open_object(c, flags) < 0)
		r = complain_segment(c->command, name);
	if (r != EXIT_FINE)
		channel_close(c);
	return r;
}

void channel_close(struct channel *c)
{
	dure_queue_close(c->queue);
	dure_topic_close(c->topic);
	dure_service_close(c->service);
	dure_segment_close(c->segment);
	c->queue = NULL;
	c->topic = NULL;
	c->service = NULL;
	c->segment = NULL;
}

/* its own limit; 0: none */
static uint64_t message_bytes_max(const struct channel *c)
{
	struct dure_queue_info queue = { .sz = sizeof queue };
	struct dure_topic_info topic = { .sz = sizeof topic };
	struct dure_service_info service = { .sz = sizeof service };

	if (c->queue && dure_queue_info(c->queue, &queue) == 0)
		return queue.message_bytes_max;
	if (c->topic && dure_topic_info(c->topic, &topic) == 0)
		return topic.message_bytes_max;
	if (c->service && dure_service_info(c->service, &service) == 0)
		return service.request_bytes_max;
	return 0;
}

uint64_t channel_bytes_max(const struct channel *c)
{
	struct dure_segment_info info = { .sz = sizeof info };
	uint64_t own = message_bytes_max(c);

	if (dure_segment_info(c->segment, &info) < 0)
		return UINT64_MAX;
	return own && own < info.max_bytes ? own : info.max_bytes;
}

int channel_failure(const struct channel *c, int r)
{
	switch (r) {
	case -EAGAIN:
	case -ETIMEDOUT:
		return EXIT_NOT_IN_TIME;
	case -ESHUTDOWN:
		return EXIT_SHUT;
	default:
		return complain_segment(c->command, c->name);
	}
}

int channel_refusal(const struct channel *c, int r)
{
	int status = channel_failure(c, r);

	if (status == EXIT_NOT_IN_TIME)
		complain(c->command, "%s: there was no room in time", c->name);
	else if (status == EXIT_SHUT)
		complain(c->command, "%s: its %s \"%s\" is shut", c->name, kinds[c->kind].what,
			 c->object_name);
	return status;
}
