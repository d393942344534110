/* SPDX-License-Identifier: MIT */
/* shelves - a map whose values are lists; a whole list moves to another shelf, or to a name */
#include <dure.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(call) check(call, #call)

struct book {
	char title[24];
};

static int check(int r, const char *what)
{
	if (r >= 0)
		return r;
	fprintf(stderr, "%s: %s\n", what, dure_last_error());
	exit(1);
}

/* The list of a shelf, which is made with the first book; both at once, or neither. */
static void put(dure_segment *seg, dure_map *shelves, const char *shelf, const char *title)
{
	dure_ref at = { 0 };
	struct book book = { "" };
	dure_list *books;
	dure_tx *tx;

	snprintf(book.title, sizeof book.title, "%s", title);
	CHECK(dure_tx_begin(seg, &tx));
	(void)dure_map_get(shelves, shelf, strlen(shelf), &at);
	if (CHECK(dure_list_open_at(seg, &at, DURE_TYPE(struct book), DURE_CREATE | DURE_OPEN, NULL,
				    &books)) == DURE_CREATED)
		CHECK(dure_map_put(shelves, shelf, strlen(shelf), &at));
	CHECK(dure_list_push_back(books, &book, NULL));
	CHECK(dure_tx_commit(tx));
	dure_list_close(books);
}

static int print_book(void *at, const void *element, void *context)
{
	(void)at;
	(void)context;
	printf("  %s\n", ((const struct book *)element)->title);
	return 0;
}

static void print_list(const char *name, dure_list *books)
{
	printf("%s\n", name);
	CHECK(dure_list_visit(books, 0, print_book, NULL));
	dure_list_close(books);
}

static void print_shelf(dure_segment *seg, dure_map *shelves, const char *shelf)
{
	dure_list *books;
	dure_ref at;

	CHECK(dure_map_get(shelves, shelf, strlen(shelf), &at));
	CHECK(dure_list_open_at(seg, &at, DURE_TYPE(struct book), DURE_OPEN, NULL, &books));
	print_list(shelf, books);
}

/* However many books there are: one ref changes its owner. */
static void move(dure_segment *seg, dure_map *shelves, const char *from, const char *to)
{
	dure_ref at;
	dure_tx *tx;

	CHECK(dure_tx_begin(seg, &tx));
	CHECK(dure_map_take(shelves, from, strlen(from), &at));
	CHECK(dure_map_insert(shelves, to, strlen(to), &at));
	CHECK(dure_tx_commit(tx));
}

static void lend(dure_segment *seg, dure_map *shelves, const char *shelf, const char *name)
{
	dure_ref at;
	dure_tx *tx;

	CHECK(dure_tx_begin(seg, &tx));
	CHECK(dure_map_take(shelves, shelf, strlen(shelf), &at));
	CHECK(dure_container_give_name(seg, at, name));
	CHECK(dure_tx_commit(tx));
}

int main(void)
{
	struct dure_map_options owner = { .sz = sizeof owner, .flags = DURE_MAP_OWNER };
	dure_segment *seg;
	dure_list *books;
	dure_map *shelves;
	uint64_t objects;

	CHECK(dure_segment_open("shelves", DURE_CREATE, NULL, &seg));
	CHECK(dure_map_open(seg, "shelves", DURE_CREATE, &owner, &shelves));
	put(seg, shelves, "sea", "Moby Dick");
	put(seg, shelves, "sea", "Lord Jim");
	put(seg, shelves, "war", "The Iliad");
	move(seg, shelves, "sea", "whales and ships");
	print_shelf(seg, shelves, "whales and ships");
	lend(seg, shelves, "war", "lent");
	CHECK(dure_list_open(seg, "lent", DURE_TYPE(struct book), DURE_OPEN, NULL, &books));
	print_list("lent", books);

	dure_map_close(shelves);
	CHECK(dure_map_destroy(seg, "shelves"));	/* with the lists on them */
	CHECK(dure_list_destroy(seg, "lent"));
	CHECK(dure_object_count(seg, &objects));
	printf("objects left: %d\n", (int)objects);
	CHECK(dure_segment_close(seg));
	return dure_segment_remove("shelves", 0, NULL) < 0;
}
