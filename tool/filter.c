/* SPDX-License-Identifier: MIT */
/*
 * filter.c - which rows are wanted, as an expression
 *
 *	expression	term { ("||" | "or") term }
 *	term		factor { ("&&" | "and") factor }
 *	factor		("!" | "not") factor | "(" expression ")" | comparison
 *	comparison	COLUMN [ operator value ]
 *	operator	== eq  != ne  < lt  <= le  > gt  >= ge  =~  !~
 *	value		"text" | 'text' | word | number with K, M, G, T, or for times s, m, h, d
 *
 * It is the grammar of scols-filter(5), as far as comparing columns with constants goes. A
 * column alone holds when it is not empty and not 0. =~ and !~ take an extended regular
 * expression. A cell that is not set compares with nothing: only != and !~ hold.
 */
#include <ctype.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "list.h"
#include "tool.h"

enum node_kind { OR, AND, NOT, TRUTH, EQ, NE, LT, LE, GT, GE, MATCH, NO_MATCH };

struct filter {
	enum node_kind kind;
	struct filter *left, *right;
	unsigned column;
	bool is_text;
	char *text;
	uint64_t number;
	regex_t expression;
};

struct reader {
	const char *command, *start, *at;
	const struct column *columns;
	unsigned column_count, depth;
	bool has_failed;
};

bool read_quantity(const char *text, bool is_time, uint64_t *ret)
{
	static const char units[] = "bkmgt";
	char *end;
	double n;
	uint64_t unit = 1;

	if (!isdigit((unsigned char)*text))
		return false;
	n = strtod(text, &end);
	if (is_time && *end && !end[1]) {
		unit = *end == 's' ? 1 : *end == 'm' ? 60 : *end == 'h' ? 3600 : *end == 'd' ? 86400 : 0;
		end++;
	} else if (!is_time && *end) {
		const char *found = strchr(units, tolower((unsigned char)*end));
		unit = found ? UINT64_C(1) << 10 * (found - units) : 0;
		end++;
		if (unit && strcasecmp(end, "ib") == 0)
			end += 2;
	}
	if (*end || unit == 0 || n * (double)unit >= 18446744073709551615.0)
		return false;
	*ret = (uint64_t)(n * (double)unit);
	return true;
}

void filter_free(struct filter *filter)
{
	if (!filter)
		return;
	filter_free(filter->left);
	filter_free(filter->right);
	if (filter->kind == MATCH || filter->kind == NO_MATCH)
		regfree(&filter->expression);
	free(filter->text);
	free(filter);
}

/* -- reading ----------------------------------------------------------------------------- */

static struct filter *fail(struct reader *r, const char *why)
{
	if (!r->has_failed)
		complain(r->command, "--filter: %s at \"%s\"", why, *r->at ? r->at : "the end");
	r->has_failed = true;
	return NULL;
}

static void skip_spaces(struct reader *r)
{
	r->at += strspn(r->at, " \t\n");
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.' || c == ':' || c == '/' ||
	       c == '@' || c == '%' || c == '+' || (unsigned char)c >= 128;
}

/* a sign, or a word that ends there */
static bool take(struct reader *r, const char *token)
{
	size_t bytes = strlen(token);

	skip_spaces(r);
	if (strncasecmp(r->at, token, bytes) != 0 ||
	    (isalpha((unsigned char)*token) && is_word(r->at[bytes])))
		return false;
	r->at += bytes;
	return true;
}

static struct filter *new_filter(enum node_kind kind, struct filter *left, struct filter *right)
{
	struct filter *filter = or_exit(calloc(1, sizeof *filter));

	filter->kind = kind;
	filter->left = left;
	filter->right = right;
	return filter;
}

static struct filter *read_or(struct reader *r);

static char *read_value(struct reader *r)
{
	size_t bytes;
	char *text;

	skip_spaces(r);
	if (*r->at == '"' || *r->at == '\'') {
		const char *end = strchr(r->at + 1, *r->at);
		if (!end) {
			fail(r, "a quote is not closed");
			return NULL;
		}
		text = or_exit(strndup(r->at + 1, (size_t)(end - r->at - 1)));
		r->at = end + 1;
		return text;
	}
	for (bytes = 0; is_word(r->at[bytes]); bytes++)
		;
	if (bytes == 0) {
		fail(r, "a value is missing");
		return NULL;
	}
	text = or_exit(strndup(r->at, bytes));
	r->at += bytes;
	return text;
}

static enum node_kind read_operator(struct reader *r)
{
	static const struct { const char *token; enum node_kind kind; } operators[] = {
		{ "==", EQ }, { "eq", EQ }, { "!=", NE }, { "ne", NE }, { "<=", LE }, { "le", LE },
		{ ">=", GE }, { "ge", GE }, { "=~", MATCH }, { "!~", NO_MATCH }, { "<", LT },
		{ "lt", LT }, { ">", GT }, { "gt", GT }, { "=", EQ },
	};

	for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
		if (take(r, operators[i].token))
			return operators[i].kind;
	return TRUTH;
}

static struct filter *finish_comparison(struct reader *r, struct filter *filter,
					enum node_kind kind)
{
	const struct column *column = &r->columns[filter->column];

	filter->text = read_value(r);
	if (!filter->text)
		return NULL;
	if (kind == MATCH || kind == NO_MATCH) {
		if (!filter->is_text)
			return fail(r, "=~ and !~ are for texts; this column is a number");
		if (regcomp(&filter->expression, filter->text, REG_EXTENDED | REG_NOSUB) != 0)
			return fail(r, "this is no regular expression");
	} else if (!filter->is_text &&
		   !read_quantity(filter->text, column->kind == COLUMN_SECONDS, &filter->number)) {
		return fail(r, "this column is compared with a number");
	}
	filter->kind = kind;
	return filter;
}

static struct filter *read_comparison(struct reader *r)
{
	size_t bytes = 0;
	int column;

	skip_spaces(r);
	while (isalnum((unsigned char)r->at[bytes]) || r->at[bytes] == '_')
		bytes++;
	column = table_find_column(r->columns, r->column_count, r->at, bytes);
	if (column < 0)
		return fail(r, "there is no such column (--help lists them)");
	r->at += bytes;
	struct filter *filter = new_filter(TRUTH, NULL, NULL);
	filter->column = (unsigned)column;
	filter->is_text = r->columns[column].kind == COLUMN_TEXT;
	enum node_kind kind = read_operator(r);
	if (kind != TRUTH && !finish_comparison(r, filter, kind)) {
		filter_free(filter);
		return NULL;
	}
	return filter;
}

static struct filter *read_factor(struct reader *r)
{
	struct filter *filter;

	if (++r->depth > 100)
		return fail(r, "this is too deep");
	if (take(r, "!") || take(r, "not")) {
		filter = read_factor(r);
		filter = filter ? new_filter(NOT, filter, NULL) : NULL;
	} else if (take(r, "(")) {
		filter = read_or(r);
		if (filter && !take(r, ")")) {
			filter_free(filter);
			filter = fail(r, "a bracket is not closed");
		}
	} else {
		filter = read_comparison(r);
	}
	r->depth--;
	return filter;
}

static struct filter *join(struct filter *left, struct filter *right, enum node_kind kind)
{
	if (left && right)
		return new_filter(kind, left, right);
	filter_free(left);
	filter_free(right);
	return NULL;
}

static struct filter *read_and(struct reader *r)
{
	struct filter *filter = read_factor(r);

	while (filter && (take(r, "&&") || take(r, "and")))
		filter = join(filter, read_factor(r), AND);
	return filter;
}

static struct filter *read_or(struct reader *r)
{
	struct filter *filter = read_and(r);

	while (filter && (take(r, "||") || take(r, "or")))
		filter = join(filter, read_and(r), OR);
	return filter;
}

struct filter *filter_read(const char *command, const char *expression,
			   const struct column *columns, unsigned column_count)
{
	struct reader r = { .command = command, .start = expression, .at = expression,
			    .columns = columns, .column_count = column_count };
	struct filter *filter = read_or(&r);

	skip_spaces(&r);
	if (filter && *r.at) {
		filter_free(filter);
		return fail(&r, "an operator, && or || is wanted");
	}
	return filter;
}

/* -- asking ------------------------------------------------------------------------------ */

static bool order_holds(enum node_kind kind, int order)
{
	switch (kind) {
	case EQ:
		return order == 0;
	case NE:
		return order != 0;
	case LT:
		return order < 0;
	case LE:
		return order <= 0;
	case GT:
		return order > 0;
	case GE:
		return order >= 0;
	default:
		return false;
	}
}

static bool comparison_holds(const struct filter *f, const struct cell *cell)
{
	const char *text = cell->text ? cell->text : "";

	if (f->kind == TRUTH)
		return cell->is_set && (f->is_text ? *text != '\0' : cell->number != 0);
	if (!cell->is_set)
		return f->kind == NE || f->kind == NO_MATCH;
	if (f->kind == MATCH || f->kind == NO_MATCH)
		return (regexec(&f->expression, text, 0, NULL, 0) == 0) == (f->kind == MATCH);
	if (f->is_text)
		return order_holds(f->kind, strcmp(text, f->text));
	return order_holds(f->kind, cell->number < f->number ? -1 : cell->number > f->number);
}

uint64_t filter_columns(const struct filter *f)
{
	switch (f->kind) {
	case OR:
	case AND:
		return filter_columns(f->left) | filter_columns(f->right);
	case NOT:
		return filter_columns(f->left);
	default:
		return UINT64_C(1) << f->column;
	}
}

bool filter_holds(const struct filter *f, const struct row *row)
{
	switch (f->kind) {
	case OR:
		return filter_holds(f->left, row) || filter_holds(f->right, row);
	case AND:
		return filter_holds(f->left, row) && filter_holds(f->right, row);
	case NOT:
		return !filter_holds(f->left, row);
	default:
		return comparison_holds(f, row_cell(row, f->column));
	}
}
