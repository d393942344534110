/* SPDX-License-Identifier: MIT */
/*
 * ls_tree.c - rows of dure ls below rows: who uses an object, and what a process uses
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ls.h"
#include "tool.h"

static void describe_process(struct row *row, const struct dure_host_process *p)
{
	char text[64];

	snprintf(text, sizeof text, "%" PRIu32 " %.40s", p->pid, p->name);
	row_text(row, C_OBJECT, text);
	row_text(row, C_KIND, "process");
	row_text(row, C_USER, user_name(p->user));
	row_text_if(row, C_CONTAINER, p->label);
}

static void describe_use(struct row *row, const struct dure_host_use *use)
{
	char text[64];

	row_number(row, C_OPENS, use->opens);
	row_number(row, C_MAPS, use->maps);
	row_number_if(row, C_SIZE, use->mapped_bytes);
	snprintf(text, sizeof text, "%s%s%s%s%s", use->how & DURE_HOST_OPEN ? "open " : "",
		 use->how & DURE_HOST_WRITABLE ? "mapped "
		 : use->how & DURE_HOST_MAPPED ? "mapped read-only "
					       : "",
		 use->how & DURE_HOST_LOCK_EXCLUSIVE ? "locked " : "",
		 use->how & DURE_HOST_LOCK_SHARED ? "locked shared " : "",
		 use->how & DURE_HOST_LOCK_WAITS ? "waits for lock " : "");
	text[strlen(text) ? strlen(text) - 1 : 0] = '\0';
	row_text(row, C_STATE, text);
}

/* the uses of what a row is about */
static const struct dure_host_use *const *uses_of(const struct listing *l, const struct row *row,
						  size_t *count)
{
	const struct dure_host_object *o = row->subject;

	*count = 0;
	return o ? host_uses(l->host, o->index, count) : NULL;
}

void ls_grow_tree(struct listing *l)
{
	for (size_t i = 0, count; i < l->list.count; i++) {
		const struct dure_host_use *const *uses = uses_of(l, l->list.rows[i], &count);
		for (size_t j = 0; j < count; j++) {
			const struct dure_host_process *p = host_process(l->host, uses[j]->process);
			struct row *row = list_add_below(l->list.rows[i]);
			if (p)
				describe_process(row, p);
			else
				row_text(row, C_OBJECT, "somebody (the kernel does not say who)");
			describe_use(row, uses[j]);
		}
	}
}

static void describe_used(struct row *row, const struct row *from, const struct dure_host_use *use)
{
	row_text(row, C_OBJECT, row_cell(from, C_OBJECT)->text);
	row_text(row, C_KIND, row_cell(from, C_KIND)->text);
	if (row_cell(from, C_USER)->text)
		row_text(row, C_USER, row_cell(from, C_USER)->text);
	describe_use(row, use);
}

/* the rows are those of processes, by pid */
static struct row *row_of(const struct list *turned, uint32_t pid)
{
	size_t low = 0, high = turned->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct dure_host_process *p = turned->rows[middle]->subject;
		if (p->pid == pid)
			return turned->rows[middle];
		if (p->pid < pid)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static void drop_idle(struct list *turned)
{
	size_t kept = 0;

	for (size_t i = 0; i < turned->count; i++)
		if (turned->rows[i]->below_count)
			turned->rows[kept++] = turned->rows[i];
		else
			list_drop(turned->rows[i]);
	turned->count = kept;
}

void ls_turn_tree(struct listing *l)
{
	struct list turned;

	list_begin(&turned, ls_columns, C_TOTAL);
	for (size_t p = 0; p < l->host->process_count; p++) {
		const struct dure_host_process *process = l->host->processes[p];
		if (!process->objects)
			continue;
		struct row *row = list_add(&turned);
		row->subject = process;
		describe_process(row, process);
		row_number(row, C_SIZE, process->mapped_bytes);
	}
	for (size_t i = 0, count; i < l->list.count; i++) {
		const struct dure_host_use *const *uses = uses_of(l, l->list.rows[i], &count);
		for (size_t j = 0; j < count; j++) {
			struct row *row = row_of(&turned, uses[j]->process);
			if (row)
				describe_used(list_add_below(row), l->list.rows[i], uses[j]);
		}
	}
	drop_idle(&turned);
	list_end(&l->list);
	l->list = turned;
}
