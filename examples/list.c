/* SPDX-License-Identifier: MIT */
/*
 * list - a linked list of one's own, with relative pointers
 *
 * A dure_rel holds the distance from itself to its target. It can be followed without knowing the
 * segment, wherever that is mapped; so code for lists and trees needs no argument for it.
 *
 * The list is read through a second mapping at another address, as another process would have it.
 * Nodes are allocated and linked in a transaction: a process killed in push leaves the list as it
 * was, and no lost block.
 */
#include <dure.h>
#include <stdio.h>
#include <stdlib.h>

struct node {
	dure_rel next;
	int value;
};

struct list {
	dure_mutex lock;
	dure_rel first;
};

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "list: %s\n", dure_last_error());
	exit(1);
}

static void push(dure_segment *seg, struct list *list, int value)
{
	struct node *node;
	dure_tx *tx;

	must(dure_tx_begin(seg, &tx));
	must(dure_tx_lock(tx, &list->lock, DURE_FOREVER));
	must(dure_tx_alloc(tx, sizeof *node, 0, (void **)&node));
	node->value = value;
	dure_rel_set(&node->next, dure_rel_get(&list->first));
	must(dure_tx_add(tx, &list->first, sizeof list->first));
	dure_rel_set(&list->first, node);
	must(dure_tx_commit(tx));
}

static void pop(dure_segment *seg, struct list *list)
{
	struct node *node;
	dure_tx *tx;

	must(dure_tx_begin(seg, &tx));
	must(dure_tx_lock(tx, &list->lock, DURE_FOREVER));
	node = dure_rel_get(&list->first);
	must(dure_tx_add(tx, &list->first, sizeof list->first));
	dure_rel_set(&list->first, dure_rel_get(&node->next));
	must(dure_tx_free(tx, node));
	must(dure_tx_commit(tx));
}

static void print(const char *title, const struct list *list)
{
	printf("%s:", title);
	for (const struct node *n = dure_rel_get(&list->first); n; n = dure_rel_get(&n->next))
		printf(" %d", n->value);
	putchar('\n');
}

int main(void)
{
	struct dure_segment_options options = { .sz = sizeof options,
						.backing = DURE_BACKING_MEMORY_FILE };
	dure_segment *here, *there;
	struct list *list, *same;

	must(dure_segment_open(NULL, DURE_CREATE, &options, &here));
	must(dure_object_construct(here, "list", DURE_TYPE(struct list), 1, NULL, NULL,
				   (void **)&list));
	for (int i = 1; i <= 5; i++)
		push(here, list, i * i);
	pop(here, list);
	print("here", list);

	options.fd = dure_segment_fd(here);
	must(dure_segment_open(NULL, DURE_OPEN | DURE_READ_ONLY, &options, &there));
	must(dure_object_find(there, "list", DURE_TYPE(struct list), (void **)&same, NULL));
	printf("the same address: %s\n", same == list ? "yes" : "no");
	print("there", same);
	must(dure_segment_close(there));
	must(dure_segment_close(here));
	return 0;
}
