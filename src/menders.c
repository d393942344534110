/* SPDX-License-Identifier: MIT */
/*
 * menders.c - what each room does for a dead lane, and in which order
 *
 * Why      The room that drives recovery (segment/recover.c) is below the rooms that know what
 *          is to be mended. This table, above all of them, is where they meet; it is also the
 *          one place that shows the order of the steps.
 */
#include "heap/heap.h"
#include "lock/held.h"
#include "lock/share.h"
#include "object/object.h"
#include "segment/gate.h"
#include "segment/recover.h"
#include "tx/log.h"

static const struct durei_mender log_mender = { .name = "log", .mend = durei_log_mend,
						.end = durei_log_end };
static const struct durei_mender resize_mender = { .name = "resizes",
						   .mend = durei_heap_mend_resizes };
static const struct durei_mender lock_mender = { .name = "locks", .mend = durei_held_mend,
						 .end = durei_held_end };
static const struct durei_mender share_mender = { .name = "shares", .mend = durei_share_mend,
						  .end = durei_share_end,
						  .leave = durei_share_leave };
static const struct durei_mender gate_mender = { .name = "gate", .mend = durei_gate_mend };
static const struct durei_mender life_mender = { .name = "life word", .mend = durei_life_mend };
static const struct durei_mender heap_mender = {
	.name = "heap",
	.mend = durei_heap_mend,
	.leave = durei_heap_let_go,
	.forget = durei_heap_forget,
};
static const struct durei_mender object_mender = { .name = "objects",
						   .format = durei_object_format };

const struct durei_mender *const durei_menders[] = {
	&log_mender,  &resize_mender, &lock_mender, &share_mender,
	&gate_mender, &life_mender,   &heap_mender, &object_mender, NULL,
};
