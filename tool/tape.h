/* SPDX-License-Identifier: MIT */
/*
 * tape.h - messages in a file, as dure record writes and dure replay reads them
 */
#ifndef TOOL_TAPE_H
#define TOOL_TAPE_H

#include "tool.h"

enum tape_kind { TAPE_QUEUE = 1, TAPE_TOPIC = 2 };

enum { TAPE_NAME_MAX = 1023 };

struct tape {
	const char *command, *path;
	FILE *file;
	enum tape_kind kind;
	uint64_t started_ns;		/* wall clock */
	char name[TAPE_NAME_MAX + 1];	/* of what was recorded, for people */
	uint64_t count;			/* records written or read */
};

struct tape_record {
	uint64_t at_ns;			/* since the recording began */
	uint64_t id;			/* of the message; of a topic, its sequence */
	int64_t type;			/* of a topic: how many were lost before it */
	uint32_t priority;
	uint64_t bytes;
	void *data;			/* reading: the caller frees it */
};

/* A new file, or "-". False: complained about */
bool tape_create(struct tape *tape, const char *command, const char *path, enum tape_kind kind,
		 const char *name);
/* The record is the system's when it returns. False: complained about */
bool tape_write(struct tape *tape, const struct tape_record *record);
/* Writes the end, and syncs. Status, complained about */
int tape_finish(struct tape *tape, uint64_t at_ns);

/* "-" is the standard input. False: complained about */
bool tape_open(struct tape *tape, const char *command, const char *path);
/* Can it be read twice? */
bool tape_can_rewind(const struct tape *tape);
bool tape_rewind(struct tape *tape);

enum tape_result {
	TAPE_RECORD,			/* a record was read */
	TAPE_END,			/* all were */
	TAPE_CUT,			/* the file stops: in the middle, or its recorder was killed */
	TAPE_DAMAGED,			/* and it was complained about */
};
enum tape_result tape_read(struct tape *tape, struct tape_record *ret);
void tape_close(struct tape *tape);

#endif
