/* SPDX-License-Identifier: MIT */
/*
 * list.h - rows of typed cells, to be filtered, sorted, and then printed
 *
 * A row may stand below another one; with them a list is a tree. Filters and sorting see what
 * the cells hold, not how they are shown: sizes are bytes, ages are seconds.
 */
#ifndef TOOL_LIST_H
#define TOOL_LIST_H

#include "table.h"

enum { LIST_COLUMNS_MAX = 40 };

struct cell {
	char *text;			/* NULL: none */
	uint64_t number;
	bool is_set;
};

/* which columns the rows have cells for, and where in them: rows may be a hundred thousand */
struct layout {
	bool is_chosen;			/* not all of them */
	unsigned cell_count;
	unsigned char place[LIST_COLUMNS_MAX];	/* of a column's cell; NO_CELL: it is not kept */
};

enum { NO_CELL = 255 };

struct row {
	struct row **below;
	size_t below_count, below_room;
	size_t order;			/* in which it was added */
	const void *subject;		/* what it is about: the caller's */
	const struct layout *layout;
	struct cell cells[];
};

struct list {
	const struct column *columns;
	unsigned column_count;
	struct layout *layout;
	struct row **rows;
	size_t count, room;
};

void list_begin(struct list *list, const struct column *columns, unsigned column_count);
/* Of a list without rows: only columns that were wanted are kept, once any was. By their names,
   as for output and sorting; those that a filter asks for (false: it is wrong, and was complained
   about) */
void list_want(struct list *list, const char *names);
bool list_want_filter(struct list *list, const char *command, const char *expression);
struct row *list_add(struct list *list);
struct row *list_add_below(struct row *parent);
void list_end(struct list *list);
/* frees a row that was taken out of its list */
void list_drop(struct row *row);

/* one that is not set when there is none */
const struct cell *row_cell(const struct row *row, unsigned column);
void row_text(struct row *row, unsigned column, const char *text);	/* copied */
void row_number(struct row *row, unsigned column, uint64_t number);
/* but "" and 0, which say nothing */
void row_text_if(struct row *row, unsigned column, const char *text);
void row_number_if(struct row *row, unsigned column, uint64_t number);
/* seconds from then to now */
void row_age_if(struct row *row, unsigned column, uint64_t wall_ns, uint64_t now_s);

/* keeps the rows for which the expression holds; false: it is wrong, and was complained about */
bool list_filter(struct list *list, const char *command, const char *expression);
/* "size" or "-size,name"; false: complained */
bool list_sort(struct list *list, const char *command, const char *names);

/* as a table; false: a column in options->output is unknown */
bool list_print(struct list *list, const char *name, const struct table_options *options);
/* The rows as a JSON array of objects, one line each, all columns or those of output.
   Cells that are not set are null. False as above */
bool list_print_json(struct list *list, const char *output);

/* -- filters (filter.c) -- */
struct filter;

/* NULL: wrong, and complained about */
struct filter *filter_read(const char *command, const char *expression,
			   const struct column *columns, unsigned column_count);
bool filter_holds(const struct filter *filter, const struct row *row);
/* the columns it asks for, as bits */
uint64_t filter_columns(const struct filter *filter);
void filter_free(struct filter *filter);

/* 4096, 4k, 1.5G, and for times 90s, 15m, 3h, 2d; false: it is no number */
bool read_quantity(const char *text, bool is_time, uint64_t *ret);

#endif
