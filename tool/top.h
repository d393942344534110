/* SPDX-License-Identifier: MIT */
/*
 * top.h - the parts of dure top: what is shown, and how
 */
#ifndef TOOL_TOP_H
#define TOOL_TOP_H

#include "host.h"
#include "limits.h"
#include "list.h"

enum top_view { TOP_OBJECTS, TOP_PROCESSES, TOP_USERS, TOP_VIEWS };

/* One look at the host, as rows. */
struct top_look {
	struct host host;
	struct limits limits;
	struct list list;
	uint64_t taken_ns;
	uint64_t shm_bytes;		/* resident, of all objects */
	char subject[OBJECT_NAME_BYTES];	/* TOP_USERS: whose */
	bool has_subject;		/* it is still there */
};

/* what was resident at the last look, to tell what grows */
struct top_memory {
	struct top_past {
		char *key;
		uint64_t bytes;
	} *past;
	size_t count;
	uint64_t taken_ns;
};

struct top_choice {
	uint32_t kinds;			/* bits, 0: all */
	bool is_local;
	const char *find;		/* in the name; "": any */
	const char *sort[TOP_VIEWS];	/* as list_sort wants it */
};

/* False: complained. subject: of TOP_USERS */
bool top_look(struct top_look *look, enum top_view view, const char *subject,
	      const struct top_choice *choice, struct top_memory *memory);
void top_look_end(struct top_look *look);
void top_forget(struct top_memory *memory);

const struct column *top_columns(enum top_view view, unsigned *count);

/* -- the screen (top_screen.c) -- */
struct top_screen {
	enum top_view view;
	size_t first, chosen;		/* rows: the topmost shown, the marked one */
	uint64_t interval_s;
	bool is_stopped, is_help;
	const char *message;		/* in the place of the keys, or NULL */
	const char *typed;		/* what is being typed after '/', or NULL */
};

/* False: no terminal that can do it; complained */
bool top_screen_begin(void);
void top_screen_end(void);
void top_screen_draw(struct top_screen *screen, const struct top_look *look, const char *sort);
/* waits for a key for so long; ERR: none came */
int top_screen_key(int wait_ms);
/* rows of the list that fit */
size_t top_screen_rows(void);

#endif
