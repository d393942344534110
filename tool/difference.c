/* SPDX-License-Identifier: MIT */
/*
 * difference.c - what is more or less than before, and when a limit will be reached
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "census.h"
#include "table.h"
#include "tool.h"

/* -- comparing --------------------------------------------------------------------------- */

static void add_pair(struct census_difference *d, const struct census_object *before,
		     const struct census_object *after)
{
	struct census_pair pair = { .before = before, .after = after };

	pair.bytes = (int64_t)(after ? after->bytes : 0) - (int64_t)(before ? before->bytes : 0);
	pair.count = (int64_t)(after ? after->count : 0) - (int64_t)(before ? before->count : 0);
	if (before && after && !pair.bytes && !pair.count)
		return;
	pair.change = !before			      ? CENSUS_NEW
		      : !after			      ? CENSUS_GONE
		      : pair.bytes > 0 || (!pair.bytes && pair.count > 0) ? CENSUS_GROWN
									  : CENSUS_SHRUNK;
	if (d->pair_count == d->pair_room) {
		d->pair_room = d->pair_room ? 2 * d->pair_room : 64;
		d->pairs = or_exit(reallocarray(d->pairs, d->pair_room, sizeof *d->pairs));
	}
	d->pairs[d->pair_count++] = pair;
}

/* both are in the order of their keys */
static void match_objects(struct census_difference *d)
{
	const struct census *a = d->before, *b = d->after;
	size_t i = 0, j = 0;

	while (i < a->object_count || j < b->object_count) {
		int r = i == a->object_count   ? 1
			: j == b->object_count ? -1
					       : strcmp(a->objects[i].key, b->objects[j].key);
		add_pair(d, r <= 0 ? &a->objects[i] : NULL, r >= 0 ? &b->objects[j] : NULL);
		i += r <= 0;
		j += r >= 0;
	}
}

static int compare_pairs(const void *a, const void *b)
{
	const struct census_pair *x = a, *y = b;
	uint64_t p = (uint64_t)llabs(x->bytes), q = (uint64_t)llabs(y->bytes);
	const char *s = (x->after ? x->after : x->before)->name;

	if (p != q)
		return p > q ? -1 : 1;
	p = (uint64_t)llabs(x->count);
	q = (uint64_t)llabs(y->count);
	if (p != q)
		return p > q ? -1 : 1;
	return strverscmp(s, (y->after ? y->after : y->before)->name);
}

static const struct census_limit *find_limit(const struct census *census, const char *name)
{
	for (size_t i = 0; i < census->limit_count; i++)
		if (strcmp(census->limits[i].name, name) == 0)
			return &census->limits[i];
	return NULL;
}

/* The straight line that is nearest to all samples (least squares). With two it goes through both. */
static double slope_of(const struct census *const *samples, size_t count, const char *name)
{
	double t = 0, u = 0, tt = 0, tu = 0, n = 0;

	for (size_t i = 0; i < count; i++) {
		const struct census_limit *l = find_limit(samples[i], name);
		double at = (double)(int64_t)(samples[i]->taken_ns - samples[0]->taken_ns) / 1e9;
		if (!l)
			continue;
		n++;
		t += at;
		u += (double)l->used;
		tt += at * at;
		tu += at * (double)l->used;
	}
	return n * tt - t * t > 0 ? (n * tu - t * u) / (n * tt - t * t) : 0;
}

static int compare_trends(const void *a, const void *b)
{
	const struct census_trend *x = a, *y = b;
	double p = x->full_in_s < 0 ? INFINITY : x->full_in_s;
	double q = y->full_in_s < 0 ? INFINITY : y->full_in_s;

	return p != q ? (p < q ? -1 : 1) : strcmp(x->limit->name, y->limit->name);
}

static void find_trends(struct census_difference *d, const struct census *const *samples,
			size_t count)
{
	const struct census *last = samples[count - 1];

	d->trends = or_exit(calloc(last->limit_count + 1, sizeof *d->trends));
	for (size_t i = 0; i < last->limit_count; i++) {
		const struct census_limit *l = &last->limits[i];
		const struct census_limit *before = find_limit(d->before, l->name);
		struct census_trend trend = { .limit = l, .full_in_s = -1 };
		if (!before)
			continue;
		trend.used_before = before->used;
		trend.per_second = slope_of(samples, count, l->name);
		if (l->value == 0)
			continue;	/* there is none of it: nothing can fill up */
		if (l->value != UINT64_MAX && l->used >= l->value)
			trend.full_in_s = 0;
		else if (l->value != UINT64_MAX && trend.per_second > 0)
			trend.full_in_s = (double)(l->value - l->used) / trend.per_second;
		if (before->used != l->used || trend.full_in_s >= 0)
			d->trends[d->trend_count++] = trend;
	}
	qsort(d->trends, d->trend_count, sizeof *d->trends, compare_trends);
}

struct census_difference *census_compare(const struct census *const *samples, size_t count)
{
	struct census_difference *d = or_exit(calloc(1, sizeof *d));

	d->before = samples[0];
	d->after = samples[count - 1];
	d->seconds = (double)(int64_t)(d->after->taken_ns - d->before->taken_ns) / 1e9;
	d->is_other_boot = strcmp(d->before->boot, d->after->boot) != 0;
	d->is_other_namespace = d->before->ipc_namespace != d->after->ipc_namespace;
	d->is_other_scope = d->before->is_local != d->after->is_local;
	match_objects(d);
	if (d->pair_count)
		qsort(d->pairs, d->pair_count, sizeof *d->pairs, compare_pairs);
	find_trends(d, samples, count);
	return d;
}

void difference_free(struct census_difference *d)
{
	free(d->pairs);
	free(d->trends);
	free(d);
}

/* Full, or soon: and not further ahead than a hundred times what was looked back. */
static bool is_alarm(const struct census_difference *d, const struct census_trend *t,
		     double within_s)
{
	return t->full_in_s == 0 ||
	       (t->full_in_s > 0 && t->full_in_s <= within_s && t->full_in_s <= 100 * d->seconds);
}

const struct census_trend *difference_alarm(const struct census_difference *d, double within_s)
{
	return d->trend_count && is_alarm(d, &d->trends[0], within_s) ? &d->trends[0] : NULL;
}

/* -- as JSON ----------------------------------------------------------------------------- */

static const char *const changes[] = { "new", "gone", "grown", "shrunk" };

static json_t *pairs_value(const struct census_difference *d)
{
	json_t *list = or_exit(json_array());

	for (size_t i = 0; i < d->pair_count; i++) {
		const struct census_pair *p = &d->pairs[i];
		const struct census_object *o = p->after ? p->after : p->before;
		json_array_append_new(
			list, json_pack("{s:s, s:o, s:s, s:o, s:I, s:I, s:I, s:I, s:I}", "change",
					changes[p->change], "object", text_value(o->name), "kind",
					o->kind, "user", text_value(o->user), "bytes",
					(json_int_t)(p->after ? o->bytes : 0), "bytes_more",
					(json_int_t)p->bytes, "count",
					(json_int_t)(p->after ? o->count : 0), "count_more",
					(json_int_t)p->count, "procs", (json_int_t)o->processes));
	}
	return list;
}

static json_t *trends_value(const struct census_difference *d)
{
	json_t *list = or_exit(json_array());

	for (size_t i = 0; i < d->trend_count; i++) {
		const struct census_trend *t = &d->trends[i];
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:o, s:I, s:I, s:f, s:o}", "name", t->limit->name,
					"unit", t->limit->is_bytes ? "bytes" : "count", "value",
					t->limit->value == UINT64_MAX
						? json_null()
						: json_integer((json_int_t)t->limit->value),
					"used", (json_int_t)t->limit->used, "used_before",
					(json_int_t)t->used_before, "per_hour", t->per_second * 3600,
					"full_in_seconds", t->full_in_s < 0 ? json_null()
									    : json_real(t->full_in_s)));
	}
	return list;
}

json_t *difference_value(const struct census_difference *d)
{
	return or_exit(json_pack("{s:i, s:s, s:I, s:I, s:b, s:b, s:b, s:b, s:s, s:o, s:o}", "version", 1, "type",
				 "difference", "from_ns", (json_int_t)d->before->taken_ns, "to_ns",
				 (json_int_t)d->after->taken_ns, "same_boot", (int)!d->is_other_boot,
				 "same_namespace", (int)!d->is_other_namespace, "same_scope", (int)!d->is_other_scope, "complete",
				 (int)(d->before->is_complete && d->after->is_complete), "forecast",
				 "linear", "limits", trends_value(d), "objects", pairs_value(d)));
}

/* -- for people -------------------------------------------------------------------------- */

static char *signed_bytes(int64_t bytes, char *text, size_t text_bytes)
{
	char amount[16];

	snprintf(text, text_bytes, "%s%s", bytes < 0 ? "-" : bytes > 0 ? "+" : "",
		 human_bytes((uint64_t)llabs(bytes), amount, sizeof amount));
	return text;
}

static char *amount_of(const struct census_limit *l, uint64_t amount, char *text, size_t text_bytes)
{
	if (amount == UINT64_MAX)
		snprintf(text, text_bytes, "unlimited");
	else if (l->is_bytes)
		human_bytes(amount, text, text_bytes);
	else
		snprintf(text, text_bytes, "%" PRIu64, amount);
	return text;
}

static char *per_hour(const struct census_trend *t, char *text, size_t text_bytes)
{
	double hourly = t->per_second * 3600;

	if (t->limit->is_bytes && fabs(hourly) < 9e18)
		return signed_bytes((int64_t)hourly, text, text_bytes);
	snprintf(text, text_bytes, "%+.*f", fabs(hourly) < 10 ? 1 : 0, hourly);
	return text;
}

static char *full_in(const struct census_trend *t, char *text, size_t text_bytes)
{
	if (t->full_in_s < 0)
		snprintf(text, text_bytes, "-");
	else if (t->full_in_s == 0)
		snprintf(text, text_bytes, "full");
	else if (t->full_in_s > 100 * 365.25 * 86400)
		snprintf(text, text_bytes, "> 100 years");
	else
		human_seconds((uint64_t)t->full_in_s, text, text_bytes);
	return text;
}

static const struct column limit_columns[] = {
	{ "LIMIT", "", 0.3, COLUMN_TEXT, true },   { "VALUE", "", 9, COLUMN_TEXT, true },
	{ "BEFORE", "", 9, COLUMN_TEXT, true },	   { "USED", "", 9, COLUMN_TEXT, true },
	{ "PER HOUR", "", 9, COLUMN_TEXT, true },  { "FULL IN", "", 8, COLUMN_TEXT, true },
};

static void print_trends(const struct census_difference *d)
{
	struct table_options options = { 0 };
	struct table t;
	char text[40];

	if (!d->trend_count || !table_begin(&t, "limits", limit_columns, 6, &options))
		return;
	for (size_t i = 0; i < d->trend_count; i++) {
		const struct census_trend *trend = &d->trends[i];
		struct libscols_line *line = table_row(&t);
		table_text(&t, line, 0, trend->limit->name);
		table_text(&t, line, 1, amount_of(trend->limit, trend->limit->value, text, sizeof text));
		table_text(&t, line, 2, amount_of(trend->limit, trend->used_before, text, sizeof text));
		table_text(&t, line, 3, amount_of(trend->limit, trend->limit->used, text, sizeof text));
		table_text(&t, line, 4, per_hour(trend, text, sizeof text));
		table_text(&t, line, 5, full_in(trend, text, sizeof text));
	}
	putchar('\n');
	table_end(&t);
	puts("(Forecasts are linear: as if it went on as it did between the two.)");
}

static const struct column object_columns[] = {
	{ "CHANGE", "", 7, COLUMN_TEXT, true },	  { "OBJECT", "", 0.4, COLUMN_TEXT, true },
	{ "USER", "", 8, COLUMN_TEXT, true },	  { "BYTES", "", 7, COLUMN_BYTES, true },
	{ "MORE", "", 7, COLUMN_TEXT, true },	  { "COUNT", "", 6, COLUMN_NUMBER, true },
	{ "MORE ", "", 6, COLUMN_TEXT, true },	  { "PROCS", "", 5, COLUMN_NUMBER, true },
};

static void print_pairs(const struct census_difference *d, uint64_t max)
{
	struct table_options options = { 0 };
	struct table t;
	char text[32];

	if (!d->pair_count || !table_begin(&t, "objects", object_columns, 8, &options))
		return;
	for (size_t i = 0; i < d->pair_count && (!max || i < max); i++) {
		const struct census_pair *p = &d->pairs[i];
		const struct census_object *o = p->after ? p->after : p->before;
		struct libscols_line *line = table_row(&t);
		table_text(&t, line, 0, changes[p->change]);
		table_text(&t, line, 1, o->name);
		table_text(&t, line, 2, o->user);
		table_bytes(&t, line, 3, p->after ? o->bytes : 0);
		table_text(&t, line, 4, p->bytes ? signed_bytes(p->bytes, text, sizeof text) : "");
		table_number(&t, line, 5, p->after ? o->count : 0);
		snprintf(text, sizeof text, "%+" PRId64, p->count);
		table_text(&t, line, 6, p->count ? text : "");
		table_number(&t, line, 7, o->processes);
	}
	putchar('\n');
	table_end(&t);
	if (max && d->pair_count > max)
		printf("... and %zu more (--max 0 shows all)\n", d->pair_count - (size_t)max);
}

struct sums {
	size_t objects[4];		/* by change */
	int64_t bytes;
};

static struct sums sum_up(const struct census_difference *d)
{
	struct sums sums = { .bytes = 0 };

	for (size_t i = 0; i < d->pair_count; i++) {
		const struct census_object *o = d->pairs[i].after ? d->pairs[i].after
								  : d->pairs[i].before;
		sums.objects[d->pairs[i].change]++;
		/* a segment's bytes lie in another object */
		if (strcmp(o->kind, "segment") != 0)
			sums.bytes = (int64_t)((uint64_t)sums.bytes + (uint64_t)d->pairs[i].bytes);
	}
	return sums;
}

static void print_time(uint64_t wall_ns)
{
	time_t seconds = (time_t)(wall_ns / 1000000000u);
	char text[64] = "?";
	struct tm tm;

	if (localtime_r(&seconds, &tm))
		strftime(text, sizeof text, "%F %T", &tm);
	fputs(text, stdout);
}

void difference_print(const struct census_difference *d, uint64_t max_objects)
{
	struct sums sums = sum_up(d);
	char text[32];

	print_time(d->before->taken_ns);
	fputs(" to ", stdout);
	print_time(d->after->taken_ns);
	printf(", %s\n", human_seconds((uint64_t)fabs(d->seconds), text, sizeof text));
	printf("%zu new, %zu gone, %zu grown, %zu shrunk; %s\n", sums.objects[CENSUS_NEW],
	       sums.objects[CENSUS_GONE], sums.objects[CENSUS_GROWN], sums.objects[CENSUS_SHRUNK],
	       signed_bytes(sums.bytes, text, sizeof text));
	if (d->is_other_boot)
		puts("The host was started anew in between: what is gone went with it.");
	if (d->is_other_namespace)
		puts("They were taken in two IPC namespaces: System V objects and queues are others.");
	if (d->is_other_scope)
		puts("One of them is of one namespace (--local), the other one of all.");
	print_trends(d);
	print_pairs(d, max_objects);
}

void difference_print_line(const struct census_difference *d, double within_s)
{
	struct sums sums = sum_up(d);
	char text[40], used[32], value[32];

	print_time(d->after->taken_ns);
	printf("  %zu objects: +%zu -%zu, %zu grown, %zu shrunk; %s\n", d->after->object_count,
	       sums.objects[CENSUS_NEW], sums.objects[CENSUS_GONE], sums.objects[CENSUS_GROWN],
	       sums.objects[CENSUS_SHRUNK], signed_bytes(sums.bytes, text, sizeof text));
	for (size_t i = 0; i < d->trend_count; i++) {
		const struct census_trend *t = &d->trends[i];
		if (!is_alarm(d, t, within_s))
			break;
		printf("  %s%s%s: %s of %s, full in %s if it goes on like this\n",
		       color_on(stdout, COLOR_BAD), t->limit->name, color_off(stdout),
		       amount_of(t->limit, t->limit->used, used, sizeof used),
		       amount_of(t->limit, t->limit->value, value, sizeof value),
		       t->full_in_s == 0 ? "no time" : full_in(t, text, sizeof text));
	}
	fflush(stdout);
}
