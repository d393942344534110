/* SPDX-License-Identifier: MIT */
/*
 * steps.h - what the scenarios of several rooms have in common
 */
#ifndef TESTS_CRASH_STEPS_H
#define TESTS_CRASH_STEPS_H

#include "../scenario.h"

/* judges: has it happened; there is nothing to be seen */
enum verdict seen(bool after);
enum verdict nothing_to_see(struct world *w);

void prepare_nothing(struct world *w);
/* a lane with a page and the root's lock */
void warm_up(struct world *w);
void take_lock(struct world *w);

/* blocks[i] gets a block that is filled with 0x5a; publish: refs[i] leads to it */
void reserve(struct world *w, unsigned i, size_t bytes);
void publish(struct world *w, unsigned i, size_t bytes);
/* Does ref i lead to a block that begins as reserve filled it? */
bool leads_to_block(struct world *w, unsigned i, size_t bytes);
/* ref i: empty before, a block after; anything else is wrong */
enum verdict judge_ref(struct world *w, unsigned i, size_t bytes);

/* a thread without a lane */
void prepare_detached(struct world *w);
/* blocks[0], refs[0]: a block reserved; a run of pages published. With the root's lock */
void prepare_reserved(struct world *w);
void prepare_published_run(struct world *w);
/* nearly all pages have been in use, and are full of what was in them */
void prepare_used_pages(struct world *w);
/* the last word has the number of live blocks */
void prepare_count(struct world *w);
void note_live_count(struct world *w);

/* locks[0] */
void run_lock(struct world *w);
/* After any death locks[0] can be had; who has it is told when it was held. */
enum verdict judge_lock(struct world *w);

#endif
