/* SPDX-License-Identifier: MIT */
/*
 * ls.h - the parts of dure ls: options and output (cmd_ls.c), what stands in a row (ls_rows.c),
 * and rows below rows (ls_tree.c)
 */
#ifndef TOOL_LS_H
#define TOOL_LS_H

#include "host.h"
#include "list.h"

enum {
	C_OBJECT, C_KIND, C_NAME, C_USER, C_CREATOR, C_MODE, C_SIZE, C_RESIDENT, C_SWAPPED, C_COUNT,
	C_PROCS, C_OPENS, C_MAPS, C_WAITS, C_AGE, C_IDLE, C_STATE, C_CONTAINER, C_PIDS, C_COMMANDS,
	C_CPID, C_LPID, C_KEY, C_ID, C_NS, C_DEVICE, C_INODE, C_BACKING, C_LIFETIME, C_USED, C_ALIVE,
	C_DEAD, C_OBJECTS, C_PATH, C_TOTAL
};

extern const struct column ls_columns[C_TOTAL];

struct choice {
	const char *directory, *filter, *sort, *namespace;
	struct table_options table;
	uint32_t kinds;
	bool has_kinds, has_segments, is_tree, by_process, is_verbose, is_local;
};

struct listing {
	struct list list;
	const struct host *host;	/* NULL: segments only */
	const struct choice *choice;
	struct row **row_of;		/* by index of the object; NULL: it has none */
	uint64_t now_s;
};

/* the kernel's objects that were asked for, but for those a segment stands for */
void ls_add_objects(struct listing *l);
/* for dure_segment_list; the context is the listing */
int ls_add_segment(const struct dure_segment_entry *entry, void *listing);

/* below each object the processes that use it */
void ls_grow_tree(struct listing *l);
/* processes instead of the objects, with the objects below those that use them */
void ls_turn_tree(struct listing *l);

#endif
