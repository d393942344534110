/* SPDX-License-Identifier: MIT */
/* share.c - a segment that a contender's processes share, as a program would open it */
#include "share.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static pid_t opener;

dure_segment *bench_segment_make(uint64_t bytes)
{
	static unsigned number;
	struct dure_segment_options options = { .sz = sizeof options, .size_bytes = bytes };
	dure_segment *segment;
	char name[64];

	opener = getpid();
	snprintf(name, sizeof name, "dure-bench-%d-%u", (int)opener, number++);
	bench_must(dure_segment_open(name, DURE_CREATE, &options, &segment), name);
	bench_must(dure_segment_remove(name, DURE_REMOVE_FORCE, NULL), name);
	return segment;
}

void bench_segment_join(dure_segment *segment)
{
	if (getpid() != opener)
		bench_must(dure_segment_reattach(segment), "reattach");
}

void bench_segment_close(dure_segment *segment)
{
	bench_must(dure_segment_close(segment), "close");
}

void *bench_segment_memory(dure_segment *segment, uint64_t bytes)
{
	void *block;

	bench_must(dure_block_reserve(segment, bytes, 64, &block), "reserve");
	bench_must(dure_block_keep(segment, block), "keep");
	memset(block, 0, bytes);
	return block;
}
