/* SPDX-License-Identifier: MIT */
/*
 * guard.h - what a container begins with: who may change it, and whether it stands still
 *
 * Rules    [GUARD1] who changes a container holds its lock
 *          [GUARD2] `writer` names the log (a mark, layout/index.h) that is changing it in place,
 *                   from before the first change until all changes are final. One that names a
 *                   closed log means nothing
 *          [GUARD3] version grows after `writer` is set and before the first change. So a reader
 *                   who finds no writer first, and the same version last, has read what stood
 *                   still
 *          [GUARD4] what no reader looks at may be changed without a sign: bytes behind the end
 *                   that a count or length gives, and that word itself if it only grows
 */
#ifndef DUREI_LAYOUT_GUARD_H
#define DUREI_LAYOUT_GUARD_H

#include "layout/index.h"

struct dl_guard {
	struct dl_mutex lock;		/* on a line of its own: readers never see it move */
	uint64_t reserved[6];
	struct cell64 version;		/* these two: under the lock */
	struct cell64 writer;
};

static_assert(sizeof(struct dl_guard) == 80, "no padding");
static_assert(offsetof(struct dl_guard, version) == 64, "readers' line");

#endif
