/* SPDX-License-Identifier: MIT */
/*
 * process.h - a program that was started: what the files of this room share about it
 */
#ifndef DUREI_STREAM_PROCESS_H
#define DUREI_STREAM_PROCESS_H

#include <dure/process.h>

#include <stdbool.h>

/* A start with more than the public options say. */
struct durei_process_plan {
	struct dure_process_options options;
	bool takes_terminal;	/* its input is the terminal of the session it leads */
};

int durei_process_open(const char *const *arguments, const struct durei_process_plan *plan,
		       dure_process **ret);

/* The program's name for sentences. */
const char *durei_process_name_of(const dure_process *process);
/* The caller's end of a pipe, -1 when there is none. */
int durei_process_end_of(const dure_process *process, uint32_t stream);
bool durei_process_is_stale(const dure_process *process);

#endif
