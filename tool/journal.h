/* SPDX-License-Identifier: MIT */
/*
 * journal.h - what was removed, so that it can come back
 *
 * A run of reap or rm is a directory of its own, mode 0700:
 *
 *	JOURNAL/20261121T093000-1234/journal	a line of JSON for each step
 *	JOURNAL/20261121T093000-1234/7.data	the bytes, or the messages, of object 7
 *
 * A record is written before the object is removed, and a second one says what became of it:
 * {"object": 7, "state": "removed"}, "kept" or "restored". A run that is killed in between
 * leaves an object with "removing" alone: it is there, or it can be restored; undo looks.
 * Nothing is synced to the disk: what is removed here would not outlive a reboot either.
 */
#ifndef TOOL_JOURNAL_H
#define TOOL_JOURNAL_H

#include <dure.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

enum { JOURNAL_PATH_BYTES = 1024 };

struct journal {
	const char *command;
	char path[JOURNAL_PATH_BYTES];	/* of the run; "" until the first record */
	const char *base;		/* given by the user, or NULL */
	FILE *file;
	unsigned count;
	bool keeps_nothing;		/* --no-undo */
};

/* where runs are kept: given, or /var/lib/dure, or ~/.local/state/dure; false: complained */
bool journal_base(const char *command, const char *given, char *path, size_t path_bytes);

/* Nothing is made before the first record. */
void journal_begin(struct journal *journal, const char *command, const char *base,
		   bool keeps_nothing);
void journal_end(struct journal *journal);

/* the number of the next record, its directory made if need be; 0: complained */
unsigned journal_next(struct journal *journal);
/* a new file for the bytes of a record; -1: complained */
int journal_data(struct journal *journal, unsigned number);
/* writes the record, and takes it; false: complained, and nothing may be removed */
bool journal_record(struct journal *journal, unsigned number, json_t *record);
/* what became of it */
void journal_state(struct journal *journal, unsigned number, const char *state);

/* -- reading ----------------------------------------------------------------------------- */

struct journal_run {
	char path[JOURNAL_PATH_BYTES];
	char name[64];
	json_t *records;		/* an array: objects, each with its last "state" */
	FILE *file;			/* to add to, once something was added */
};

/* name NULL: the last run with something to restore. False: complained */
bool journal_read(const char *command, const char *base, const char *name,
		  struct journal_run *ret);
void journal_run_end(struct journal_run *run);
/* calls visit for each run, the oldest first */
void journal_list(const char *command, const char *base,
		  void (*visit)(const struct journal_run *run, void *context), void *context);
/* adds a state to a run that was read */
bool journal_append(const char *command, struct journal_run *run, json_int_t number,
		    const char *state);

/* a name as JSON, exactly: a string, or {"hex": "..."} when it is no UTF-8 */
json_t *journal_text(const char *text);
void journal_text_read(const json_t *value, char *text, size_t text_bytes);

#endif
