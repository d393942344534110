/* SPDX-License-Identifier: MIT */
/*
 * table.c - tables for people and JSON for programs, from one list of columns
 */
#include "table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

int table_find_column(const struct column *columns, unsigned column_count, const char *name,
		      size_t bytes)
{
	for (unsigned i = 0; i < column_count; i++)
		if (strlen(columns[i].name) == bytes &&
		    strncasecmp(columns[i].name, name, bytes) == 0)
			return (int)i;
	return -1;
}

static bool add_column(struct table *table, unsigned i, int position)
{
	const struct column *c = &table->columns[i];
	bool is_number = c->kind != COLUMN_TEXT;
	struct libscols_column *column = scols_table_new_column(
		table->scols, c->name, c->width_hint,
		is_number ? SCOLS_FL_RIGHT : table->is_tree && position == 0 ? SCOLS_FL_TREE : 0);

	if (!column)
		return false;
	table->shown[i] = position;
	scols_column_set_json_type(column, is_number ? SCOLS_JSON_NUMBER : SCOLS_JSON_STRING);
	return true;
}

static bool add_chosen(struct table *table, const char *names)
{
	int position = 0;

	while (*names) {
		size_t bytes = strcspn(names, ",");
		int i = table_find_column(table->columns, table->column_count, names, bytes);
		if (i < 0 || table->shown[i] >= 0 || !add_column(table, (unsigned)i, position++))
			return false;
		names += bytes + (names[bytes] == ',');
	}
	return position > 0;
}

static bool add_default(struct table *table)
{
	int position = 0;

	for (unsigned i = 0; i < table->column_count; i++)
		if ((table->columns[i].is_default || table->is_json) &&
		    !add_column(table, i, position++))
			return false;
	return true;
}

bool table_begin(struct table *table, const char *name, const struct column *columns,
		 unsigned column_count, const struct table_options *options)
{
	scols_init_debug(0);
	*table = (struct table){ .scols = scols_new_table(), .columns = columns,
				 .column_count = column_count, .is_json = options->is_json,
				 .in_bytes = options->in_bytes, .is_tree = options->is_tree };
	if (!table->scols)
		return false;
	for (unsigned i = 0; i < sizeof table->shown / sizeof *table->shown; i++)
		table->shown[i] = -1;
	scols_table_set_name(table->scols, name);
	scols_table_enable_json(table->scols, options->is_json);
	scols_table_enable_noheadings(table->scols, options->no_headings);
	scols_table_enable_colors(table->scols, *color_on(stdout, COLOR_GOOD) != '\0');
	if (options->output ? add_chosen(table, options->output) : add_default(table))
		return true;
	scols_unref_table(table->scols);
	return false;
}

struct libscols_line *table_row(struct table *table)
{
	return table_row_below(table, NULL);
}

struct libscols_line *table_row_below(struct table *table, struct libscols_line *parent)
{
	struct libscols_line *line = scols_table_new_line(table->scols, parent);

	if (!line) {
		fputs("dure: out of memory\n", stderr);
		exit(EXIT_TROUBLE);
	}
	return line;
}

void table_text(struct table *table, struct libscols_line *line, unsigned column,
		const char *text)
{
	/* libsmartcols shows control characters escaped, in tables and in JSON */
	if (table->shown[column] >= 0 &&
	    scols_line_set_data(line, (size_t)table->shown[column], text) < 0) {
		fputs("dure: out of memory\n", stderr);
		exit(EXIT_TROUBLE);
	}
}

void table_number(struct table *table, struct libscols_line *line, unsigned column,
		  uint64_t number)
{
	char text[24];

	snprintf(text, sizeof text, "%" PRIu64, number);
	table_text(table, line, column, text);
}

void table_bytes(struct table *table, struct libscols_line *line, unsigned column,
		 uint64_t bytes)
{
	char text[24];

	if (table->is_json || table->in_bytes)
		table_number(table, line, column, bytes);
	else
		table_text(table, line, column, human_bytes(bytes, text, sizeof text));
}

void table_end(struct table *table)
{
	if (table->is_json || !scols_table_is_empty(table->scols))
		scols_print_table(table->scols);
	scols_unref_table(table->scols);
}

void table_list_columns(const struct column *columns, unsigned column_count)
{
	fputs("Columns:\n", stdout);
	for (unsigned i = 0; i < column_count; i++)
		printf("  %-10s %s\n", columns[i].name, columns[i].help);
}
