/* SPDX-License-Identifier: MIT */
/*
 * list.c - rows of typed cells, to be filtered, sorted, and then printed
 */
#include "list.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

void list_begin(struct list *list, const struct column *columns, unsigned column_count)
{
	*list = (struct list){ .columns = columns, .column_count = column_count,
			       .layout = or_exit(calloc(1, sizeof(struct layout))) };
	list->layout->cell_count = column_count;
	for (unsigned i = 0; i < column_count; i++)
		list->layout->place[i] = (unsigned char)i;
}

static void want(struct list *list, uint64_t columns)
{
	struct layout *layout = list->layout;

	if (!layout->is_chosen) {
		memset(layout->place, NO_CELL, sizeof layout->place);
		layout->cell_count = 0;
		layout->is_chosen = true;
	}
	for (unsigned i = 0; i < list->column_count; i++)
		if (columns >> i & 1 && layout->place[i] == NO_CELL)
			layout->place[i] = (unsigned char)layout->cell_count++;
}

void list_want(struct list *list, const char *names)
{
	uint64_t columns = 0;

	while (*names) {
		names += *names == '-';
		size_t bytes = strcspn(names, ",");
		int i = table_find_column(list->columns, list->column_count, names, bytes);
		if (i >= 0)
			columns |= UINT64_C(1) << i;
		names += bytes + (names[bytes] == ',');
	}
	want(list, columns);
}

bool list_want_filter(struct list *list, const char *command, const char *expression)
{
	struct filter *filter =
		filter_read(command, expression, list->columns, list->column_count);

	if (!filter)
		return false;
	want(list, filter_columns(filter));
	filter_free(filter);
	return true;
}

static struct row *new_row(struct row ***rows, size_t *count, size_t *room, const struct layout *layout)
{
	if (*count == *room) {
		*room = *room ? 2 * *room : 64;
		*rows = or_exit(realloc(*rows, *room * sizeof **rows));
	}
	struct row *row = or_exit(calloc(1, sizeof *row + layout->cell_count * sizeof row->cells[0]));
	row->layout = layout;
	row->order = *count;
	(*rows)[(*count)++] = row;
	return row;
}

struct row *list_add(struct list *list)
{
	return new_row(&list->rows, &list->count, &list->room, list->layout);
}

struct row *list_add_below(struct row *parent)
{
	return new_row(&parent->below, &parent->below_count, &parent->below_room, parent->layout);
}

void list_drop(struct row *row)
{
	for (size_t i = 0; i < row->below_count; i++)
		list_drop(row->below[i]);
	for (unsigned i = 0; i < row->layout->cell_count; i++)
		free(row->cells[i].text);
	free(row->below);
	free(row);
}

void list_end(struct list *list)
{
	for (size_t i = 0; i < list->count; i++)
		list_drop(list->rows[i]);
	free(list->rows);
	free(list->layout);
	*list = (struct list){ 0 };
}

const struct cell *row_cell(const struct row *row, unsigned column)
{
	static const struct cell none;
	unsigned place = row->layout->place[column];

	return place == NO_CELL ? &none : &row->cells[place];
}

void row_text(struct row *row, unsigned column, const char *text)
{
	unsigned place = row->layout->place[column];

	if (place == NO_CELL)
		return;
	free(row->cells[place].text);
	row->cells[place].text = or_exit(strdup(text));
	row->cells[place].is_set = true;
}

void row_number(struct row *row, unsigned column, uint64_t number)
{
	unsigned place = row->layout->place[column];

	if (place == NO_CELL)
		return;
	row->cells[place].number = number;
	row->cells[place].is_set = true;
}

void row_number_if(struct row *row, unsigned column, uint64_t number)
{
	if (number)
		row_number(row, column, number);
}

void row_text_if(struct row *row, unsigned column, const char *text)
{
	if (*text)
		row_text(row, column, text);
}

void row_age_if(struct row *row, unsigned column, uint64_t wall_ns, uint64_t now_s)
{
	uint64_t then = wall_ns / 1000000000u;

	if (wall_ns)
		row_number(row, column, now_s > then ? now_s - then : 0);
}

bool list_filter(struct list *list, const char *command, const char *expression)
{
	struct filter *filter =
		filter_read(command, expression, list->columns, list->column_count);
	size_t kept = 0;

	if (!filter)
		return false;
	for (size_t i = 0; i < list->count; i++)
		if (filter_holds(filter, list->rows[i]))
			list->rows[kept++] = list->rows[i];
		else
			list_drop(list->rows[i]);
	list->count = kept;
	filter_free(filter);
	return true;
}

/* -- sorting ----------------------------------------------------------------------------- */

struct sorting {
	unsigned columns[8];
	bool is_downwards[8], is_text[8];
	unsigned count;
};

/* digits count as numbers: psm_9 before psm_10 */
static int compare_texts(const char *a, const char *b)
{
	return strverscmp(a ? a : "", b ? b : "");
}

static int compare_rows(const void *a, const void *b, void *context)
{
	const struct row *x = *(struct row *const *)a, *y = *(struct row *const *)b;
	const struct sorting *sorting = context;

	for (unsigned i = 0; i < sorting->count; i++) {
		const struct cell *c = row_cell(x, sorting->columns[i]);
		const struct cell *d = row_cell(y, sorting->columns[i]);
		int r = sorting->is_text[i] ? compare_texts(c->text, d->text)
			: c->number != d->number ? (c->number < d->number ? -1 : 1)
						 : 0;
		if (r)
			return sorting->is_downwards[i] ? -r : r;
	}
	return x->order < y->order ? -1 : x->order > y->order;
}

bool list_sort(struct list *list, const char *command, const char *names)
{
	struct sorting sorting = { .count = 0 };

	while (*names) {
		bool is_downwards = *names == '-';
		const char *name = names + is_downwards;
		size_t bytes = strcspn(name, ",");
		int column = table_find_column(list->columns, list->column_count, name, bytes);
		if (column < 0 || sorting.count == 8) {
			complain(command, "--sort: there is no column \"%.*s\" (--help lists them)",
				 (int)bytes, name);
			return false;
		}
		sorting.columns[sorting.count] = (unsigned)column;
		sorting.is_text[sorting.count] = list->columns[column].kind == COLUMN_TEXT;
		sorting.is_downwards[sorting.count++] = is_downwards;
		names = name + bytes + (name[bytes] == ',');
	}
	if (list->count)
		qsort_r(list->rows, list->count, sizeof *list->rows, compare_rows, &sorting);
	return true;
}

/* -- printing ---------------------------------------------------------------------------- */

static void print_cell(struct table *table, struct libscols_line *line, unsigned column,
		       const struct column *c, const struct cell *cell)
{
	char text[32];

	if (!cell->is_set)
		return;
	switch (c->kind) {
	case COLUMN_TEXT:
		table_text(table, line, column, cell->text ? cell->text : "");
		break;
	case COLUMN_BYTES:
		table_bytes(table, line, column, cell->number);
		break;
	case COLUMN_SECONDS:
		table_text(table, line, column, human_seconds(cell->number, text, sizeof text));
		break;
	case COLUMN_NUMBER:
	default:
		table_number(table, line, column, cell->number);
		break;
	}
}

static void print_row(struct table *table, const struct list *list, const struct row *row,
		      struct libscols_line *parent)
{
	struct libscols_line *line = table_row_below(table, parent);

	for (unsigned i = 0; i < list->column_count; i++)
		print_cell(table, line, i, &list->columns[i], row_cell(row, i));
	for (size_t i = 0; i < row->below_count; i++)
		print_row(table, list, row->below[i], line);
}

bool list_print(struct list *list, const char *name, const struct table_options *options)
{
	struct table table;

	if (!table_begin(&table, name, list->columns, list->column_count, options))
		return false;
	for (size_t i = 0; i < list->count; i++) {
		print_row(&table, list, list->rows[i], NULL);
		if (options->drops_rows)
			list_drop(list->rows[i]);
	}
	if (options->drops_rows)
		list->count = 0;
	table_end(&table);
	return true;
}

static json_t *cell_value(const struct column *c, const struct cell *cell)
{
	if (!cell->is_set)
		return json_null();
	return c->kind == COLUMN_TEXT ? text_value(cell->text ? cell->text : "")
				      : json_integer((json_int_t)cell->number);
}

static json_t *row_value(const struct list *list, const struct row *row, const bool *shown)
{
	json_t *value = or_exit(json_object());
	char key[32];

	for (unsigned i = 0; i < list->column_count; i++) {
		const char *from = list->columns[i].name;
		char *to = key;
		if (!shown[i])
			continue;
		while (*from && to < key + sizeof key - 1)
			*to++ = (char)(*from >= 'A' && *from <= 'Z' ? *from++ | 32 : *from++);
		*to = '\0';
		json_object_set_new(value, key, cell_value(&list->columns[i], row_cell(row, i)));
	}
	if (row->below_count) {
		json_t *below = or_exit(json_array());
		for (size_t i = 0; i < row->below_count; i++)
			json_array_append_new(below, row_value(list, row->below[i], shown));
		json_object_set_new(value, "children", below);
	}
	return value;
}

bool list_print_json(struct list *list, const char *output)
{
	bool shown[LIST_COLUMNS_MAX];

	for (unsigned i = 0; i < LIST_COLUMNS_MAX; i++)
		shown[i] = !output;
	while (output && *output) {
		size_t bytes = strcspn(output, ",");
		int i = table_find_column(list->columns, list->column_count, output, bytes);
		if (i < 0)
			return false;
		shown[i] = true;
		output += bytes + (output[bytes] == ',');
	}
	/* one at a time: a list may have a hundred thousand rows */
	putchar('[');
	for (size_t i = 0; i < list->count; i++) {
		json_t *value = row_value(list, list->rows[i], shown);
		fputs(i ? ",\n  " : "\n  ", stdout);
		json_dumpf(value, stdout, JSON_COMPACT);
		json_decref(value);
	}
	fputs(list->count ? "\n]" : "]", stdout);
	return true;
}
