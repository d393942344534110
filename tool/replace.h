/* SPDX-License-Identifier: MIT */
/*
 * replace.h - writing a file that others read: they find the old one or all of the new one
 *
 * A device or a pipe is written to as it is: nobody wants that replaced.
 */
#ifndef TOOL_REPLACE_H
#define TOOL_REPLACE_H

#include <stdio.h>

struct replacement {
	const char *command, *path;
	char *temporary;		/* NULL: path is written to as it is */
	FILE *file;
};

/* NULL: complained */
FILE *replace_begin(struct replacement *r, const char *command, const char *path);
/* EXIT_FINE, or EXIT_TROUBLE and complained: then path is what it was */
int replace_end(struct replacement *r);

#endif
