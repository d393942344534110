/* SPDX-License-Identifier: MIT */
/*
 * table.h - tables for people and JSON for programs, from one list of columns
 */
#ifndef TOOL_TABLE_H
#define TOOL_TABLE_H

#include <libsmartcols.h>
#include <stdbool.h>
#include <stdint.h>

enum column_kind { COLUMN_TEXT, COLUMN_NUMBER, COLUMN_BYTES, COLUMN_SECONDS };

struct column {
	const char *name;		/* as in --output; lower case in JSON */
	const char *help;
	double width_hint;
	enum column_kind kind;
	bool is_default;
};

struct table {
	struct libscols_table *scols;
	const struct column *columns;
	unsigned column_count;
	int shown[40];			/* position of column i, -1: not shown */
	bool is_json, in_bytes, is_tree;
};

struct table_options {
	const char *output;		/* comma-separated names, or NULL */
	bool is_json, in_bytes, no_headings;
	bool is_tree;			/* rows have rows below them: drawn in the first column */
	bool drops_rows;		/* of a list: each goes as it is printed, for they may be many */
};

/* name is the array's in JSON. False: an unknown column in options->output, or no memory */
bool table_begin(struct table *table, const char *name, const struct column *columns,
		 unsigned column_count, const struct table_options *options);
struct libscols_line *table_row(struct table *table);
struct libscols_line *table_row_below(struct table *table, struct libscols_line *parent);
void table_text(struct table *table, struct libscols_line *line, unsigned column,
		const char *text);
void table_number(struct table *table, struct libscols_line *line, unsigned column,
		  uint64_t number);
void table_bytes(struct table *table, struct libscols_line *line, unsigned column,
		 uint64_t bytes);
/* prints it on standard output, and frees it */
void table_end(struct table *table);

/* by its name, in any case; -1: there is none */
int table_find_column(const struct column *columns, unsigned column_count, const char *name,
		      size_t bytes);

/* the lines of --help that list the columns */
void table_list_columns(const struct column *columns, unsigned column_count);

#endif
