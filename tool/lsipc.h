/* SPDX-License-Identifier: MIT */
/*
 * lsipc.h - the parts of dure lsipc: options and output (lsipc.c), columns and rows (lsipc_rows.c)
 */
#ifndef TOOL_LSIPC_H
#define TOOL_LSIPC_H

#include <libsmartcols.h>
#include <stdbool.h>
#include <stdint.h>

#include "sysvipc.h"

enum {
	IN_MSG = 1 << SYSVIPC_MSG, IN_SHM = 1 << SYSVIPC_SHM, IN_SEM = 1 << SYSVIPC_SEM, IN_ALL = 7,
	IN_GLOBAL = 8,
};

/* in the order in which the details of one object have them */
enum {
	C_KEY, C_ID, C_OWNER, C_PERMS, C_CUID, C_CUSER, C_CGID, C_CGROUP, C_UID, C_USER, C_GID, C_GROUP,
	C_CTIME, C_SIZE, C_NATTCH, C_STATUS, C_ATTACH, C_DETACH, C_COMMAND, C_CPID, C_LPID, C_USEDBYTES,
	C_MSGS, C_SEND, C_RECV, C_LSPID, C_LRPID, C_NSEMS, C_OTIME, C_RESOURCE, C_DESCRIPTION, C_LIMIT,
	C_USED, C_USE, C_TOTAL
};

struct lsipc_column {
	const char *name, *label;	/* in lists, in details */
	int flags;			/* libsmartcols' */
	unsigned lists;
};

extern const struct lsipc_column lsipc_columns[C_TOTAL];

enum time_form { BY_SITUATION, SHORT, FULL, ISO };

struct request {
	bool wanted[3], is_global, by_creator, by_time, in_bytes, in_numbers, for_shell;
	bool no_headings, no_truncation;
	int form, id;			/* 0, or the option's letter; -1: of all */
	enum time_form times;
	const char *output;
	unsigned shown[2 * C_TOTAL];	/* columns */
	size_t count;
	struct libscols_table *table;
	struct libscols_line *line;	/* that is being filled */
};

/* one object with all about it, rather than a list */
bool is_details(const struct request *r);

/* false: there is none with that identifier */
bool add_objects(struct request *r, enum sysvipc_kind kind);
void add_limits(struct request *r, enum sysvipc_kind kind);

/* the words of a process' command with spaces between; NULL: it is gone. The caller frees it */
char *command_of(uint32_t pid);

#endif
