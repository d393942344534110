/* SPDX-License-Identifier: MIT */
/*
 * cmd_metrics.c - dure metrics: numbers for a monitoring system, as OpenMetrics text
 *
 * Labels are bounded: kinds, users, limits, grades. A series for each object is there on demand
 * only, for names come and go, and a monitoring system keeps them all.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "limits.h"
#include "replace.h"
#include "tool.h"

static int run(int argc, char **argv);

const struct command cmd_metrics = {
	.name = "metrics",
	.run = run,
	.summary = "numbers for Prometheus",
	.usage = "Usage: dure metrics [OPTION...]\n"
		 "Print how many objects there are, how big, who waits, what is left over, and the\n"
		 "use of all limits, as OpenMetrics text.\n\n"
		 "  -t, --textfile FILE   to FILE, which is replaced in one step: for the textfile\n"
		 "                        collector of node_exporter\n"
		 "  -O, --objects         also series for each object and each segment\n"
		 "  -l, --local           not what other containers have: this namespace alone\n"
		 "  -h, --help            this text\n",
};

/* -- the format -------------------------------------------------------------------------- */

static void put_family(FILE *to, const char *name, const char *type, const char *help)
{
	fprintf(to, "# HELP %s %s.\n# TYPE %s %s\n", name, help, name, type);
}

/* name{label="value",...} number; the labels end with NULL */
static void put_sample(FILE *to, double number, const char *name, ...) __attribute__((sentinel));

static void put_sample(FILE *to, double number, const char *name, ...)
{
	char shown[4 * OBJECT_NAME_BYTES];
	va_list labels;
	const char *label, *between = "{";

	fputs(name, to);
	va_start(labels, name);
	while ((label = va_arg(labels, const char *))) {
		fprintf(to, "%s%s=\"", between, label);
		for (const char *c = harmless(va_arg(labels, const char *), shown, sizeof shown); *c; c++)
			fprintf(to, *c == '\\' || *c == '"' ? "\\%c" : "%c", *c);
		fputc('"', to);
		between = ",";
	}
	va_end(labels);
	/* whole numbers whole, up to 2^53 */
	fprintf(to, *between == ',' ? "} %.17g\n" : " %.17g\n", number);
}

/* -- objects ----------------------------------------------------------------------------- */

/* what is summed, by kind and user */
struct sum {
	uint32_t kind, user;
	uint64_t objects, used, resident, sizes, waiting;
};

struct sums {
	struct sum *items;
	size_t count, room;
};

static struct sum *sum_of(struct sums *sums, uint32_t kind, uint32_t user)
{
	for (size_t i = 0; i < sums->count; i++)
		if (sums->items[i].kind == kind && sums->items[i].user == user)
			return &sums->items[i];
	if (sums->count == sums->room) {
		sums->room = sums->room ? 2 * sums->room : 16;
		sums->items = or_exit(reallocarray(sums->items, sums->room, sizeof *sums->items));
	}
	sums->items[sums->count] = (struct sum){ .kind = kind, .user = user };
	return &sums->items[sums->count++];
}

static void put_sums(FILE *to, const struct sums *sums, const char *name, const char *help,
		     size_t field)
{
	put_family(to, name, "gauge", help);
	for (size_t i = 0; i < sums->count; i++) {
		uint64_t number;
		memcpy(&number, (const char *)&sums->items[i] + field, sizeof number);
		put_sample(to, (double)number, name, "kind", kind_name(sums->items[i].kind), "user",
			   user_name(sums->items[i].user), (char *)NULL);
	}
}

static void put_objects(FILE *to, const struct host *host)
{
	struct sums sums = { 0 };

	for (size_t i = 0; i < host->object_count; i++) {
		const struct dure_host_object *o = host->objects[i];
		struct sum *sum = sum_of(&sums, o->kind, o->owner);
		sum->objects++;
		sum->used += o->processes || o->sleepers || (o->kind == DURE_HOST_SYSV_SHM && o->count);
		sum->resident += o->resident_bytes;
		sum->sizes += o->size_bytes;
		sum->waiting += o->sleepers;
	}
	put_sums(to, &sums, "dure_objects", "Objects", offsetof(struct sum, objects));
	put_sums(to, &sums, "dure_objects_used", "Objects that somebody has open, mapped, locked or waits for",
		 offsetof(struct sum, used));
	put_sums(to, &sums, "dure_resident_bytes", "In memory", offsetof(struct sum, resident));
	put_sums(to, &sums, "dure_size_bytes", "Apparent sizes; of queues what waits in them",
		 offsetof(struct sum, sizes));
	put_sums(to, &sums, "dure_waiting_threads", "Threads that sleep for an object",
		 offsetof(struct sum, waiting));
	free(sums.items);
}

/* -- what is left over, and who waits for the dead ---------------------------------------- */

static void put_left(FILE *to, const struct host *host)
{
	uint64_t objects[DURE_HOST_LOCK + 1][DURE_HOST_GRADE_CERTAIN + 1] = { 0 };
	uint64_t bytes[DURE_HOST_LOCK + 1][DURE_HOST_GRADE_CERTAIN + 1] = { 0 };

	for (size_t i = 0; i < host->object_count; i++) {
		const struct dure_host_object *o = host->objects[i];
		struct dure_host_verdict verdict = { .sz = sizeof verdict };
		if (o->kind > DURE_HOST_LOCK || o->flags & (DURE_HOST_ELSEWHERE | DURE_HOST_SEGMENT) ||
		    dure_host_judge(host->picture, o->index, OLD_S * UINT64_C(1000000000), &verdict) < 0 ||
		    verdict.grade > DURE_HOST_GRADE_CERTAIN)
			continue;
		objects[o->kind][verdict.grade]++;
		bytes[o->kind][verdict.grade] += o->resident_bytes;
	}
	put_family(to, "dure_left_objects", "gauge",
		   "Objects by how far it is proved that they are left over, as dure reap grades them");
	for (uint32_t kind = 1; kind <= DURE_HOST_LOCK; kind++)
		for (uint32_t grade = DURE_HOST_GRADE_UNUSED; grade <= DURE_HOST_GRADE_CERTAIN; grade++)
			if (objects[kind][grade])
				put_sample(to, (double)objects[kind][grade], "dure_left_objects", "kind",
					   kind_name(kind), "grade", grade_name(grade), (char *)NULL);
	put_family(to, "dure_left_bytes", "gauge", "In memory, of these");
	for (uint32_t kind = 1; kind <= DURE_HOST_LOCK; kind++)
		for (uint32_t grade = DURE_HOST_GRADE_UNUSED; grade <= DURE_HOST_GRADE_CERTAIN; grade++)
			if (objects[kind][grade])
				put_sample(to, (double)bytes[kind][grade], "dure_left_bytes", "kind",
					   kind_name(kind), "grade", grade_name(grade), (char *)NULL);
}

static void put_waits(FILE *to, const struct host *host)
{
	uint64_t for_dead = 0;

	for (size_t i = 0; i < host->wait_count; i++)
		for_dead += host->waits[i]->holder_is_dead;
	put_family(to, "dure_waiting_for_dead_threads", "gauge",
		   "Threads that sleep for what a dead one holds");
	put_sample(to, (double)for_dead, "dure_waiting_for_dead_threads", (char *)NULL);
}

/* -- limits ------------------------------------------------------------------------------ */

static bool is_of_the_host(const struct dure_limit *l)
{
	/* ours, of this moment, are nobody's business */
	return l->id != DURE_LIMIT_FILES && l->id != DURE_LIMIT_LOCKED && l->id != DURE_LIMIT_MAPS;
}

static const char *unit_name(const struct dure_limit *l)
{
	return l->unit == DURE_LIMIT_IN_BYTES ? "bytes" : l->unit == DURE_LIMIT_IN_PAGES ? "pages" : "count";
}

static void put_limits(FILE *to, const struct limits *limits)
{
	put_family(to, "dure_limit_used", "gauge", "How much of a limit is used");
	for (size_t i = 0; i < limits->count; i++) {
		const struct dure_limit *l = &limits->items[i].l;
		if (l->has_used && is_of_the_host(l))
			put_sample(to, (double)l->used, "dure_limit_used", "limit", l->name, "unit",
				   unit_name(l), (char *)NULL);
	}
	put_family(to, "dure_limit_value", "gauge", "The limit; missing where there is none");
	for (size_t i = 0; i < limits->count; i++) {
		const struct dure_limit *l = &limits->items[i].l;
		if (l->value < UINT64_C(1) << 62 && is_of_the_host(l))
			put_sample(to, (double)l->value, "dure_limit_value", "limit", l->name, "unit",
				   unit_name(l), (char *)NULL);
	}
}

/* -- each one ---------------------------------------------------------------------------- */

static void put_each_object(FILE *to, const struct host *host)
{
	char name[OBJECT_NAME_BYTES];

	put_family(to, "dure_object_resident_bytes", "gauge", "In memory, of one object");
	for (size_t i = 0; i < host->object_count; i++) {
		const struct dure_host_object *o = host->objects[i];
		char namespace[24] = "";
		if (o->ipc_namespace)
			snprintf(namespace, sizeof namespace, "%" PRIu64, o->ipc_namespace);
		put_sample(to, (double)o->resident_bytes, "dure_object_resident_bytes", "object",
			   object_name(o, name, sizeof name), "user", user_name(o->owner), "namespace",
			   namespace, "container", o->label, (char *)NULL);
	}
}

struct segments {
	FILE *to;
	enum { SEGMENT_USED, SEGMENT_CAPACITY, SEGMENT_DEAD } which;
};

static int count_dead(const struct dure_participant *p, void *context)
{
	*(uint64_t *)context += !p->is_alive;
	return 0;
}

static int put_segment(const struct dure_segment_entry *entry, void *context)
{
	static const char *const names[] = {
		"dure_segment_used_bytes", "dure_segment_capacity_bytes", "dure_segment_dead_processes",
	};
	struct dure_heap_info heap = { .sz = sizeof heap };
	struct segments *segments = context;
	uint64_t dead = 0;
	dure_segment *seg;

	if (!*entry->name || entry->is_stale ||
	    dure_segment_open(entry->name, DURE_OPEN | DURE_READ_ONLY, NULL, &seg) < 0)
		return 0;
	dure_participant_list(seg, count_dead, &dead);
	if (dure_heap_info(seg, &heap) == 0)
		put_sample(segments->to,
			   (double)(segments->which == SEGMENT_USED	  ? heap.used_bytes
				    : segments->which == SEGMENT_CAPACITY ? heap.capacity_bytes
									  : dead),
			   names[segments->which], "segment", entry->name, (char *)NULL);
	dure_segment_close(seg);
	return 0;
}

/* a family's samples stand together: so each segment is looked at for each family */
static void put_segments(FILE *to)
{
	struct segments segments = { .to = to };

	put_family(to, "dure_segment_used_bytes", "gauge", "Of a segment's heap: in pages that are not free");
	segments.which = SEGMENT_USED;
	dure_segment_list(NULL, put_segment, &segments);
	put_family(to, "dure_segment_capacity_bytes", "gauge", "Of a segment's heap");
	segments.which = SEGMENT_CAPACITY;
	dure_segment_list(NULL, put_segment, &segments);
	put_family(to, "dure_segment_dead_processes", "gauge",
		   "Dead processes in a segment that nobody has dealt with yet");
	segments.which = SEGMENT_DEAD;
	dure_segment_list(NULL, put_segment, &segments);
}

/* -- all of it --------------------------------------------------------------------------- */

static double seconds_since(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - then->tv_sec) + (double)(now.tv_nsec - then->tv_nsec) / 1e9;
}

static void put_all(FILE *to, const struct host *host, const struct limits *limits, bool has_objects,
		    const struct timespec *begun)
{
	put_family(to, "dure_build_info", "gauge", "The version of dure");
	put_sample(to, 1, "dure_build_info", "version", DURE_TOOL_VERSION, (char *)NULL);
	put_family(to, "dure_view_complete", "gauge", "1: who uses what could be seen of all processes");
	put_sample(to, host->summary.is_complete, "dure_view_complete", (char *)NULL);
	put_family(to, "dure_processes_unreadable", "gauge", "Processes whose memory could not be looked at");
	put_sample(to, (double)host->summary.unreadable_processes, "dure_processes_unreadable",
		   (char *)NULL);
	put_objects(to, host);
	put_left(to, host);
	put_waits(to, host);
	put_limits(to, limits);
	if (has_objects) {
		put_each_object(to, host);
		put_segments(to);
	}
	put_family(to, "dure_look_seconds", "gauge", "How long it took to find this out");
	put_sample(to, seconds_since(begun), "dure_look_seconds", (char *)NULL);
	fputs("# EOF\n", to);
}

/* what is in other namespaces, and was seen through processes */
static void leave_out_others(struct host *host)
{
	size_t kept = 0;

	for (size_t i = 0; i < host->object_count; i++)
		if (!(host->objects[i]->flags & DURE_HOST_ELSEWHERE))
			host->objects[kept++] = host->objects[i];
	host->object_count = kept;
}

static int print(const char *path, bool has_objects, bool is_local)
{
	struct replacement file = { .file = stdout };
	struct timespec begun;
	struct limits limits;
	struct host host;
	int status = EXIT_TROUBLE;

	clock_gettime(CLOCK_MONOTONIC, &begun);
	if (!host_begin(&host, "metrics", DURE_HOST_WAITS | (is_local ? 0 : DURE_HOST_NAMESPACES), 0))
		return EXIT_TROUBLE;
	if (is_local)
		leave_out_others(&host);
	if (limits_begin(&limits, &host, "metrics", 0)) {
		if (!path || replace_begin(&file, "metrics", path)) {
			put_all(file.file, &host, &limits, has_objects, &begun);
			status = path ? replace_end(&file) : EXIT_FINE;
		}
		limits_end(&limits);
	}
	host_end(&host);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "textfile", required_argument, NULL, 't' }, { "objects", no_argument, NULL, 'O' },
		{ "local", no_argument, NULL, 'l' },	      { "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	bool has_objects = false, is_local = false;
	const char *path = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "t:Olh", options, NULL)) != -1)
		switch (c) {
		case 't':
			path = optarg;
			break;
		case 'O':
			has_objects = true;
			break;
		case 'l':
			is_local = true;
			break;
		case 'h':
			return print_usage(&cmd_metrics, stdout);
		default:
			return print_usage(&cmd_metrics, stderr);
		}
	if (argc != optind)
		return print_usage(&cmd_metrics, stderr);
	return print(path, has_objects, is_local);
}
