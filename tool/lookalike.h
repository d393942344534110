/* SPDX-License-Identifier: MIT */
/*
 * lookalike.h - ipcs, ipcrm and lsipc, as scripts know them from util-linux
 *
 * Options and output are those of util-linux 2.38, byte for byte, but for --help and --version.
 * They are run as "dure ipcs", or when the program is called so (a link to it).
 */
#ifndef TOOL_LOOKALIKE_H
#define TOOL_LOOKALIKE_H

struct lookalike {
	const char *name;
	int (*run)(int argc, char **argv);	/* argv[0] is the name */
};

extern const struct lookalike ipcs, ipcrm, lsipc;

#endif
