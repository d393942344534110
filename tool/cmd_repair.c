/* SPDX-License-Identifier: MIT */
/*
 * cmd_repair.c - dure repair: deal with what the dead left in a segment, and say what was done
 *
 * Without --yes nothing is changed: a copy of the segment in private memory is repaired, so that
 * what is said is what would be done, and not a guess. What no death leaves (damage) is
 * repaired by nothing here: who guesses at wrong bytes loses more.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "tool.h"

static int run(int argc, char **argv);

const struct command cmd_repair = {
	.name = "repair",
	.run = run,
	.usage = "Usage: dure repair [OPTION...] NAME\n"
		 "Undo or finish what dead processes were doing in a segment, free their locks,\n"
		 "take back their blocks and pages, and say what was done. Without --yes that is\n"
		 "tried on a copy. What no death leaves is damage, and stays: go back to a\n"
		 "checkpoint or a copy.\n\n"
		 "  -y, --yes      do it\n"
		 "  -J, --json     JSON\n"
		 "  -h, --help     this text\n\n"
		 "NAME is a plain name, a path (with a '/'), or sysv:ID.\n"
		 "Exit status: 0 nothing to do, or done; 1 there is something to do; 2 damaged, or\n"
		 "it cannot be opened.\n",
};

/* all that a repair may change */
struct state {
	struct dure_check check;
	struct dure_heap_info heap;
	int result;			/* of the check: 0 clean, 1 mendable, 2 damaged; negative */
	uint64_t locks, shares, transactions;	/* of dead threads */
	uint64_t dead_processes;
	json_t *dead;			/* the threads */
};

static int add_dead(const struct dure_thread_info *t, void *context)
{
	struct state *state = context;

	if (t->is_alive)
		return 0;
	/* a lock is written down before it is had: the one waited for is not held */
	uint32_t locks = t->lock_count;
	for (uint32_t i = 0; i < t->lock_count && i < sizeof t->locks / sizeof *t->locks; i++)
		locks -= t->waits_for.offset && t->locks[i].offset == t->waits_for.offset;
	state->locks += locks;
	state->shares += t->share_count;
	state->transactions += t->in_transaction;
	return json_array_append_new(
		state->dead, json_pack("{s:i, s:i, s:i, s:b, s:i, s:i, s:I}", "lane", (int)t->lane, "thread",
				       (int)t->thread, "place", (int)t->slot, "in_transaction",
				       (int)t->in_transaction, "locks", (int)locks, "shares",
				       (int)t->share_count, "pages", (json_int_t)t->pages));
}

static int count_dead(const struct dure_participant *p, void *context)
{
	struct state *state = context;

	state->dead_processes += !p->is_alive;
	return 0;
}

static struct state look(dure_segment *seg)
{
	struct state state = { .check.sz = sizeof state.check, .heap.sz = sizeof state.heap,
			       .dead = or_exit(json_array()) };

	state.result = dure_segment_check(seg, &state.check, NULL, NULL);
	dure_thread_list(seg, add_dead, &state);
	dure_participant_list(seg, count_dead, &state);
	if (dure_heap_info(seg, &state.heap) < 0)
		state.heap = (struct dure_heap_info){ .sz = sizeof state.heap };
	return state;
}

/* -- saying ------------------------------------------------------------------------------ */

static const char *word_of(int result)
{
	static const char *const words[] = { "clean", "mendable", "damaged" };

	return result < 0 ? "not to be checked" : words[result > 2 ? 2 : result];
}

/* what a check says is taken from it before and after, never made up */
static json_t *state_value(const struct state *s)
{
	return or_exit(json_pack(
		"{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:O}", "result", word_of(s->result), "mendable",
		(json_int_t)s->check.mendable, "damaged", (json_int_t)s->check.damaged, "live_blocks",
		(json_int_t)s->heap.live_blocks, "live_bytes", (json_int_t)s->heap.live_bytes,
		"reserved_blocks", (json_int_t)s->heap.reserved_blocks, "free_bytes",
		(json_int_t)s->heap.free_bytes, "objects", (json_int_t)s->check.objects, "dead_threads",
		s->dead));
}

static void print_json(const char *name, const struct state *before, const struct state *after,
		       int mended, bool is_done)
{
	json_t *value = json_pack("{s:i, s:o, s:b, s:i, s:o, s:o}", "version", 1, "segment",
				  text_value(name), "done", (int)is_done, "threads", mended, "before",
				  state_value(before), "after", state_value(after));

	json_dumpf(value, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(value);
}

/* others may come and go meanwhile */
static uint64_t less(uint64_t before, uint64_t after)
{
	return before > after ? before - after : 0;
}

static void say(uint64_t count, const char *one, const char *many)
{
	if (count)
		printf("  %" PRIu64 " %s\n", count, count == 1 ? one : many);
}

static void print_text(const struct state *before, const struct state *after, int mended,
		       bool is_done)
{
	char bytes[16];

	if (mended == 0 && before->dead_processes == after->dead_processes) {
		printf("nothing to do: %s\n", word_of(after->result));
		return;
	}
	puts(is_done ? "Done:" : "What --yes would do (this was tried on a copy):");
	say((uint64_t)mended, "dead thread dealt with", "dead threads dealt with");
	say(less(before->transactions, after->transactions), "operation undone or finished",
	    "operations undone or finished");
	say(less(before->locks, after->locks), "lock freed", "locks freed");
	say(less(before->shares, after->shares), "share of a lock given back", "shares of locks given back");
	say(less(before->heap.reserved_blocks, after->heap.reserved_blocks),
	    "block that only the dead knew is free again",
	    "blocks that only the dead knew are free again");
	if (after->heap.free_bytes > before->heap.free_bytes)
		printf("  %s more are free\n", human_bytes(after->heap.free_bytes - before->heap.free_bytes,
							  bytes, sizeof bytes));
	say(less(before->check.mendable, after->check.mendable), "finding of the check gone",
	    "findings of the check gone");
	printf("before: %s; after: %s\n", word_of(before->result), word_of(after->result));
}

/* -- doing ------------------------------------------------------------------------------- */

static int report(const char *name, const struct state *before, const struct state *after,
		  bool is_json, bool is_done)
{
	uint64_t were = json_array_size(before->dead), are = json_array_size(after->dead);
	int mended = were > are ? (int)(were - are) : 0;

	if (is_json)
		print_json(name, before, after, mended, is_done);
	else
		print_text(before, after, mended, is_done);
	if (after->result < 0 || after->result == 2)
		return complain("repair", "%s is damaged, and no death leaves that: dure check says where; go "
				"back to a checkpoint or a copy", name);
	return !is_done && mended ? EXIT_FOUND : EXIT_FINE;
}

/* While others write, a copy cannot be had: then what is dead is only counted. */
static int count_only(const struct state *before, const char *name, bool is_json)
{
	size_t dead = json_array_size(before->dead);

	if (is_json)
		print_json(name, before, before, 0, false);
	else if (dead == 0)
		printf("nothing to do: %s\n", word_of(before->result));
	else {
		printf("It is in use, so this was not tried on a copy. --yes would deal with:\n");
		say(dead, "dead thread", "dead threads");
		say(before->transactions, "operation that is not finished",
		    "operations that are not finished");
		say(before->locks, "lock held by the dead", "locks held by the dead");
		say(before->shares, "share of a lock", "shares of locks");
		printf("now: %s\n", word_of(before->result));
	}
	return before->result == 2 ? EXIT_TROUBLE : dead ? EXIT_FOUND : EXIT_FINE;
}

/* Returns negative when it cannot be opened, and has complained. */
static int look_at(const char *name, struct state *ret)
{
	dure_segment *seg;
	int r = open_segment("repair", name, DURE_OPEN | DURE_READ_ONLY, &seg);

	if (r < 0)
		return r;
	*ret = look(seg);
	dure_segment_close(seg);
	return 0;
}

/* the same, after the dead are dealt with; -EBUSY without a word */
static int look_after(const char *name, uint32_t flags, struct state *ret)
{
	struct dure_segment_options options;
	const char *opened = segment_by_name(name, &options);
	dure_segment *seg;
	int r = dure_segment_open(opened, DURE_OPEN | flags, &options, &seg);

	if (r == DURE_RESTORED)
		complain("repair", "%s: it was lost with the last start of the host; this is its last "
			 "checkpoint", name);
	if (r >= 0) {
		r = dure_segment_recover(seg);
		if (r >= 0)
			*ret = look(seg);
		dure_segment_close(seg);
	}
	if (r < 0 && r != -EBUSY)
		complain_segment("repair", name);
	return r;
}

static int repair(const char *name, bool is_json, bool is_done)
{
	struct state before, after;
	int r, status = EXIT_TROUBLE;

	if (is_core_name(name))
		return complain("repair", "%s: nothing comes back from a core dump; look at it with dure check, "
				"show and map", name);
	if (look_at(name, &before) < 0)
		return EXIT_TROUBLE;
	r = look_after(name, is_done ? 0 : DURE_COPY_ON_WRITE, &after);
	if (r >= 0) {
		status = report(name, &before, &after, is_json, is_done);
		json_decref(after.dead);
	} else if (r == -EBUSY && !is_done) {
		status = count_only(&before, name, is_json);
	}
	json_decref(before.dead);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "yes", no_argument, NULL, 'y' },  { "json", no_argument, NULL, 'J' },
		{ "help", no_argument, NULL, 'h' }, { 0 },
	};
	bool is_json = false, is_done = false;
	int c;

	while ((c = getopt_long(argc, argv, "yJh", options, NULL)) != -1)
		switch (c) {
		case 'y':
			is_done = true;
			break;
		case 'J':
			is_json = true;
			break;
		case 'h':
			return print_usage(&cmd_repair, stdout);
		default:
			return print_usage(&cmd_repair, stderr);
		}
	if (argc - optind != 1)
		return print_usage(&cmd_repair, stderr);
	return repair(argv[optind], is_json, is_done);
}
