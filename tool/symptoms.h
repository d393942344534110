/* SPDX-License-Identifier: MIT */
/*
 * symptoms.h - what errors of shared memory and IPC are due to
 */
#ifndef TOOL_SYMPTOMS_H
#define TOOL_SYMPTOMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct symptom {
	int code;			/* errno, or 0: told by its words alone */
	const char *words;		/* any of these, parted by '|', makes it the one; NULL: any */
	const char *cause;		/* a sentence or two */
	uint32_t limits[4];		/* enum dure_limit_id: those to be looked at; 0 ends */
};

/* errno by its name ("ENOSPC"), number or text in a line; 0: none in it */
int error_in_line(const char *line);
const char *error_name(int code);

/* the symptoms that fit a line and a code, the most telling ones first; returns how many */
size_t symptoms_of(const char *line, int code, const struct symptom **ret, size_t most);

#endif
