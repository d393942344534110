/* SPDX-License-Identifier: MIT */
/*
 * steps.c - what the scenarios of several rooms have in common
 */
#include "steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void must(int result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "%s: %d: %s\n", what, result, dure_last_error());
	exit(99);
}

struct dure_segment_options small_segment(void)
{
	return (struct dure_segment_options){ .sz = sizeof(struct dure_segment_options),
					      .size_bytes = 400 << 10, .max_bytes = 512 << 10,
					      .processes_max = 6, .threads_max = 6,
					      .backing = DURE_BACKING_POSIX };
}

enum verdict seen(bool after)
{
	return after ? AFTER : BEFORE;
}

enum verdict nothing_to_see(struct world *w)
{
	(void)w;
	return EITHER;
}

void prepare_nothing(struct world *w)
{
	(void)w;
}

void take_lock(struct world *w)
{
	must(dure_mutex_lock(w->seg, &w->root->lock, DURE_FOREVER), "lock");
}

void reserve(struct world *w, unsigned i, size_t bytes)
{
	must(dure_block_reserve(w->seg, bytes, 0, &w->blocks[i]), "reserve");
	memset(w->blocks[i], 0x5a, bytes);
}

void publish(struct world *w, unsigned i, size_t bytes)
{
	reserve(w, i, bytes);
	must(dure_block_publish(w->seg, w->blocks[i], &w->root->refs[i]), "publish");
}

/* Does ref i lead to a block that begins as reserve filled it? */
bool leads_to_block(struct world *w, unsigned i, size_t bytes)
{
	size_t size;
	unsigned char *block = dure_ref_get(w->seg, w->root->refs[i], bytes);

	return block && dure_block_size(w->seg, block, &size) == 0 && size >= bytes &&
	       block[0] == 0x5a && block[bytes - 1] == 0x5a;
}

/* ref i: empty before, a block after; anything else is wrong */
enum verdict judge_ref(struct world *w, unsigned i, size_t bytes)
{
	if (w->root->refs[i].offset == 0)
		return BEFORE;
	return leads_to_block(w, i, bytes) ? AFTER : WRONG;
}

void warm_up(struct world *w)
{
	reserve(w, 0, 64);
	must(dure_block_cancel(w->seg, w->blocks[0]), "cancel");
	take_lock(w);
}

void prepare_detached(struct world *w)
{
	must(dure_thread_detach(w->seg), "detach");
}

/* Nearly all pages have been in use, and are full of what was in them. */
void prepare_used_pages(struct world *w)
{
	reserve(w, 0, 200000);
	must(dure_block_cancel(w->seg, w->blocks[0]), "cancel");
	must(dure_thread_detach(w->seg), "detach");	/* the search begins in front again */
	reserve(w, 0, 20000);		/* makes the heap */
	must(dure_block_cancel(w->seg, w->blocks[0]), "cancel");
	take_lock(w);
}

void run_lock(struct world *w)
{
	must(dure_mutex_lock(w->seg, &w->root->locks[0], DURE_FOREVER), "lock");
}

/* After any death the lock can be had; who has it is told when it was held. */
enum verdict judge_lock(struct world *w)
{
	int r = dure_mutex_lock(w->seg, &w->root->locks[0], 0);

	if (r < 0)
		return WRONG;
	if (r == DURE_OWNER_DIED)
		must(dure_mutex_mark_consistent(w->seg, &w->root->locks[0]), "mark_consistent");
	must(dure_mutex_unlock(w->seg, &w->root->locks[0]), "unlock");
	return r == DURE_OWNER_DIED ? AFTER : BEFORE;
}

/* leaves the number of live blocks where the judge finds it */
void note_live_count(struct world *w)
{
	struct dure_heap_info info = { .sz = sizeof info };

	must(dure_heap_info(w->seg, &info), "heap_info");
	w->root->words[WORDS - 1] = info.live_blocks;
}

void prepare_count(struct world *w)
{
	warm_up(w);
	note_live_count(w);
}

void prepare_published_run(struct world *w)
{
	take_lock(w);
	publish(w, 0, 20000);
}

void prepare_reserved(struct world *w)
{
	reserve(w, 0, 64);
	take_lock(w);
}
