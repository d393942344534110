/* SPDX-License-Identifier: MIT */
/*
 * cmd_watch.c - dure watch: the same as diff, again and again
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "census.h"
#include "list.h"
#include "tool.h"

/* Forecasts look back so far: what grew an hour ago and no longer does is forgotten. */
enum { SAMPLES = 60 };

static int run(int argc, char **argv);

const struct command cmd_watch = {
	.name = "watch",
	.run = run,
	.usage = "Usage: dure watch [OPTION...]\n"
		 "Look at all objects and limits at intervals, and print what changed since the\n"
		 "last time, and which limits will be full soon: by a straight line through the\n"
		 "last 60 looks, at most 100 times as far ahead. That is no promise.\n\n"
		 "  -i, --interval AGE  between two looks (5s)\n"
		 "  -c, --count N       end after so many (0: never)\n"
		 "  -w, --within AGE    limits that will be full so soon (1d)\n"
		 "  -l, --local         not what other containers have: this namespace alone\n"
		 "  -J, --json          JSON, a line for each look: all that changed\n"
		 "  -h, --help          this text\n\n"
		 "Exit status: 0 ended after --count, 1 and the last look was an alarm, 2 trouble.\n",
};

struct watch {
	struct census *samples[SAMPLES];
	size_t count;
	uint64_t interval_s, rounds, within_s;
	bool is_json, is_local;
};

static bool look(struct watch *w)
{
	struct census *census = census_take("watch", w->is_local);

	if (!census)
		return false;
	if (w->count == SAMPLES) {
		census_free(w->samples[0]);
		memmove(w->samples, w->samples + 1, (SAMPLES - 1) * sizeof *w->samples);
		w->count--;
	}
	w->samples[w->count++] = census;
	return true;
}

/* Objects against the last look, limits along all of them. */
static int report(const struct watch *w)
{
	const struct census *const *samples = (const struct census *const *)w->samples;
	struct census_difference *objects = census_compare(samples + w->count - 2, 2);
	struct census_difference *limits = census_compare(samples, w->count);
	struct census_trend *short_trends = objects->trends;
	size_t short_count = objects->trend_count;
	int status;

	objects->trends = limits->trends;
	objects->trend_count = limits->trend_count;
	objects->seconds = limits->seconds;
	status = difference_alarm(objects, (double)w->within_s) ? EXIT_FOUND : EXIT_FINE;
	if (w->is_json) {
		json_t *value = difference_value(objects);
		json_dumpf(value, stdout, JSON_COMPACT);
		putchar('\n');
		fflush(stdout);
		json_decref(value);
	} else {
		difference_print_line(objects, (double)w->within_s);
	}
	objects->trends = short_trends;
	objects->trend_count = short_count;
	difference_free(objects);
	difference_free(limits);
	return status;
}

/* At even intervals, however long a look takes. */
static void sleep_until(struct timespec *next, uint64_t interval_s)
{
	struct timespec now;

	next->tv_sec += (time_t)interval_s;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec > next->tv_sec)
		*next = now;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, next, NULL) == EINTR)
		;
}

static int watch(struct watch *w)
{
	struct timespec next;
	int status = EXIT_FINE;

	clock_gettime(CLOCK_MONOTONIC, &next);
	if (!look(w))
		return EXIT_TROUBLE;
	for (uint64_t round = 0; !w->rounds || round < w->rounds; round++) {
		sleep_until(&next, w->interval_s);
		if (!look(w))
			return EXIT_TROUBLE;
		status = report(w);
		if (ferror(stdout))
			return EXIT_TROUBLE;
	}
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "interval", required_argument, NULL, 'i' }, { "count", required_argument, NULL, 'c' },
		{ "within", required_argument, NULL, 'w' },   { "local", no_argument, NULL, 'l' },
		{ "json", no_argument, NULL, 'J' },	      { "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct watch w = { .interval_s = 5, .within_s = 86400 };
	int c, status;

	while ((c = getopt_long(argc, argv, "i:c:w:lJh", options, NULL)) != -1)
		switch (c) {
		case 'i':
			if (!read_quantity(optarg, true, &w.interval_s) || w.interval_s == 0 ||
			    w.interval_s > 86400)
				return complain("watch", "--interval %s: from 1s to 1d", optarg);
			break;
		case 'c':
			if (!read_quantity(optarg, false, &w.rounds))
				return print_usage(&cmd_watch, stderr);
			break;
		case 'w':
			if (!read_quantity(optarg, true, &w.within_s))
				return complain("watch", "--within %s: no time, as 90s, 2h or 3d", optarg);
			break;
		case 'l':
			w.is_local = true;
			break;
		case 'J':
			w.is_json = true;
			break;
		case 'h':
			return print_usage(&cmd_watch, stdout);
		default:
			return print_usage(&cmd_watch, stderr);
		}
	if (argc != optind)
		return print_usage(&cmd_watch, stderr);
	status = watch(&w);
	for (size_t i = 0; i < w.count; i++)
		census_free(w.samples[i]);
	return status;
}
