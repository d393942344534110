/* SPDX-License-Identifier: MIT */
/*
 * who_segment.c - who is attached to a dure segment, who waits for which lock, and for whom
 *
 * The segment itself tells: participants and threads with what they hold and want. A circle
 * is found by going from a thread to the holder of the lock it wants, and on, at most as many
 * steps as there are threads.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "draw.h"
#include "host.h"
#include "tool.h"
#include "waits.h"

/* -- who holds what ---------------------------------------------------------------------- */

enum { SHARES_SHOWN = sizeof((struct dure_thread_info *)0)->shares /
		      sizeof((struct dure_thread_info *)0)->shares[0] };

struct lanes {
	struct dure_thread_info *items;
	size_t count;
	struct dure_participant *processes;
	size_t process_count;
};

static int keep_lane(const struct dure_thread_info *info, void *context)
{
	struct lanes *lanes = context;

	lanes->items = or_exit(realloc(lanes->items, (lanes->count + 1) * sizeof *lanes->items));
	lanes->items[lanes->count++] = *info;
	return 0;
}

static const struct dure_thread_info *lane_that_holds(const struct lanes *lanes, uint64_t lock)
{
	for (size_t i = 0; i < lanes->count; i++) {
		const struct dure_thread_info *t = &lanes->items[i];
		for (uint32_t j = 0; j < t->lock_count && j < 16; j++)
			/* a lock is written down before it is had */
			if (t->locks[j].offset == lock && t->waits_for.offset != lock)
				return t;
		for (uint32_t j = 0; j < t->share_count && j < SHARES_SHOWN; j++)
			if (t->shares[j].lock.offset == lock && t->waits_for.offset != lock)
				return t;
	}
	return NULL;
}

static bool is_in_circle(const struct lanes *lanes, const struct dure_thread_info *start)
{
	const struct dure_thread_info *at = start;

	for (size_t i = 0; i <= lanes->count && at && at->waits_for.offset; i++) {
		at = lane_that_holds(lanes, at->waits_for.offset);
		if (at == start)
			return true;
	}
	return false;
}

/* -- circles of threads that wait for each other's locks ---------------------------------- */

static const struct dure_thread_info *next_in_circle(const struct lanes *lanes,
						     const struct dure_thread_info *t)
{
	return lane_that_holds(lanes, t->waits_for.offset);
}

/* A circle is told once, from its first lane. */
static bool begins_circle(const struct lanes *lanes, const struct dure_thread_info *start)
{
	const struct dure_thread_info *t = start;

	if (!is_in_circle(lanes, start))
		return false;
	while ((t = next_in_circle(lanes, t)) != start)
		if (t < start)
			return false;
	return true;
}

/* The object that the lock lies in, if there is one. */
struct lock_place {
	uint64_t offset;
	char *text;
	size_t text_bytes;
};

static int name_place(const struct dure_object_info *o, void *context)
{
	struct lock_place *place = context;
	char shown[300];

	if (!*o->name || place->offset < o->ref.offset ||
	    place->offset - o->ref.offset >= o->count * o->element_bytes)
		return 0;
	snprintf(place->text, place->text_bytes, "%s+0x%" PRIx64, harmless(o->name, shown, sizeof shown),
		 place->offset - o->ref.offset);
	return 1;
}

static const char *lock_text(dure_segment *seg, uint64_t offset, char *text, size_t text_bytes)
{
	struct lock_place place = { offset, text, text_bytes };

	snprintf(text, text_bytes, "the lock at +0x%" PRIx64, offset);
	(void)dure_object_list(seg, name_place, &place);
	return text;
}

static const char *lane_text(const struct lanes *lanes, const struct dure_thread_info *t, char *text,
			     size_t text_bytes)
{
	char shown[80], thread[32] = "";

	snprintf(text, text_bytes, "thread %" PRIu32, t->thread);
	for (size_t i = 0; i < lanes->process_count; i++) {
		const struct dure_participant *p = &lanes->processes[i];
		if (p->slot != t->slot)
			continue;
		if (p->process != t->thread)
			snprintf(thread, sizeof thread, " thread %" PRIu32, t->thread);
		snprintf(text, text_bytes, "%" PRIu32 " (%s)%s", p->process,
			 harmless(p->name, shown, sizeof shown), thread);
	}
	return text;
}

static json_t *circle_value(dure_segment *seg, const struct lanes *lanes,
			    const struct dure_thread_info *start)
{
	const struct dure_thread_info *t = start;
	json_t *members = or_exit(json_array());
	char text[4096], who[200], lock[400];
	size_t used = 0;

	do {
		lane_text(lanes, t, who, sizeof who);
		lock_text(seg, t->waits_for.offset, lock, sizeof lock);
		if (used < sizeof text)
			used += (size_t)snprintf(text + used, sizeof text - used, "%s waits for %s, held by ",
						 who, lock);
		json_array_append_new(members, json_pack("{s:I, s:o, s:I, s:o}", "thread",
							 (json_int_t)t->thread, "who", text_value(who),
							 "lock", (json_int_t)t->waits_for.offset,
							 "lock_name", text_value(lock)));
		t = next_in_circle(lanes, t);
	} while (t != start);
	if (used < sizeof text)
		snprintf(text + used, sizeof text - used, "%s: they wait for each other",
			 lane_text(lanes, start, who, sizeof who));
	return or_exit(json_pack("{s:o, s:o}", "text", text_value(text), "members", members));
}

static json_t *circle_values(dure_segment *seg, const struct lanes *lanes)
{
	json_t *list = or_exit(json_array());

	for (size_t i = 0; i < lanes->count; i++)
		if (begins_circle(lanes, &lanes->items[i]))
			json_array_append_new(list, circle_value(seg, lanes, &lanes->items[i]));
	return list;
}

/* -- one segment ------------------------------------------------------------------------- */

static bool describe_lane(const struct lanes *lanes, const struct dure_thread_info *t,
			  json_t *waits)
{
	const struct dure_thread_info *holder = lane_that_holds(lanes, t->waits_for.offset);
	bool is_circle = is_in_circle(lanes, t), is_dead = holder && !holder->is_alive;
	char text[300], by[100] = "; nobody holds it now";

	if (holder)
		snprintf(by, sizeof by, "; held by thread %" PRIu32 "%s", holder->thread,
			 is_dead ? ", which is dead: recovery is under way" : "");
	snprintf(text, sizeof text, "thread %" PRIu32 " waits for the lock at +0x%" PRIx64 "%s%s", t->thread,
		 t->waits_for.offset, by, is_circle ? "; they wait for each other" : "");
	json_array_append_new(waits, json_pack("{s:I, s:I, s:I, s:b, s:b, s:o}", "thread",
					       (json_int_t)t->thread, "lock",
					       (json_int_t)t->waits_for.offset, "holder",
					       (json_int_t)(holder ? holder->thread : 0),
					       "holder_is_dead", (int)is_dead, "circle", (int)is_circle,
					       "text", text_value(text)));
	return is_circle || is_dead;
}

static int keep_participant(const struct dure_participant *p, void *context)
{
	struct lanes *lanes = context;

	lanes->processes = or_exit(realloc(lanes->processes,
					   (lanes->process_count + 1) * sizeof *lanes->processes));
	lanes->processes[lanes->process_count++] = *p;
	return 0;
}

static json_t *participant_values(const struct lanes *lanes)
{
	json_t *list = or_exit(json_array());

	for (size_t i = 0; i < lanes->process_count; i++) {
		const struct dure_participant *p = &lanes->processes[i];
		json_array_append_new(list, json_pack("{s:I, s:o, s:o, s:b}", "pid",
						      (json_int_t)p->process, "command",
						      text_value(p->name), "user",
						      text_value(user_name(p->user)), "alive",
						      (int)p->is_alive));
	}
	return list;
}

static void draw_held(const struct dure_thread_info *t)
{
	const char *dead = t->is_alive ? "" : ", and is dead";

	for (uint32_t i = 0; i < t->lock_count && i < 16; i++)
		if (t->locks[i].offset != t->waits_for.offset)
			printf("thread %" PRIu32 " holds the lock at +0x%" PRIx64 "%s\n", t->thread,
			       t->locks[i].offset, dead);
	for (uint32_t i = 0; i < t->share_count && i < SHARES_SHOWN; i++)
		printf("thread %" PRIu32 " shares the lock at +0x%" PRIx64 "%s\n", t->thread,
		       t->shares[i].lock.offset, dead);
}

static void draw_segment(const char *name, const json_t *all, const struct lanes *lanes)
{
	char shown[300], alive[8];
	size_t i;
	json_t *p;

	printf("%s%s%s\n", color_on(stdout, COLOR_BOLD), harmless(name, shown, sizeof shown),
	       color_off(stdout));
	heading("Attached");
	json_array_foreach(json_object_get(all, "uses"), i, p) {
		snprintf(alive, sizeof alive, "%s", json_is_true(json_object_get(p, "alive")) ? "" : ", dead");
		printf("%" PRIu64 " (%s) of %s%s\n", get(p, "pid"),
		       harmless(get_text(p, "command"), shown, sizeof shown), get_text(p, "user"), alive);
	}
	for (i = 0; i < lanes->count; i++)
		draw_held(&lanes->items[i]);
	draw_texts("Waiting", json_object_get(all, "waits"), "text");
	draw_texts("Deadlocks", json_object_get(all, "circles"), "text");
}

int who_has_segment(const char *name, bool is_json)
{
	struct lanes lanes = { 0 };
	dure_segment *seg;
	bool is_wrong = false;

	if (open_segment("who", name, DURE_OPEN | DURE_READ_ONLY, &seg) < 0)
		return EXIT_TROUBLE;
	dure_participant_list(seg, keep_participant, &lanes);
	dure_thread_list(seg, keep_lane, &lanes);
	json_t *waits = or_exit(json_array()), *circles = circle_values(seg, &lanes);
	dure_segment_close(seg);
	for (size_t i = 0; i < lanes.count; i++)
		if (lanes.items[i].waits_for.offset)
			is_wrong |= describe_lane(&lanes, &lanes.items[i], waits);
	json_t *all = json_pack("{s:i, s:o, s:o, s:o, s:o}", "version", 1, "object", text_value(name),
				"uses", participant_values(&lanes), "waits", waits, "circles", circles);
	if (is_json) {
		json_dumpf(all, stdout, JSON_INDENT(1));
		putchar('\n');
	} else {
		draw_segment(name, all, &lanes);
	}
	json_decref(all);
	free(lanes.items);
	free(lanes.processes);
	return is_wrong ? EXIT_FOUND : EXIT_FINE;
}
