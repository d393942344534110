/* SPDX-License-Identifier: MIT */
/*
 * object - things with names: one, an array, with a constructor and a destructor
 *
 * Several processes ask for the same name. One of them constructs, and all get the same object;
 * nobody ever sees a half-made one, even if the constructing process is killed meanwhile. The type
 * is remembered: who takes a name for something else is told so.
 */
#include <dure.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct sensor {
	int32_t number;
	double value;
	dure_ref label;			/* a block which the sensor owns */
};

enum { SENSORS = 3, LABEL_BYTES = 32 };

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "object: %s\n", dure_last_error());
	exit(1);
}

/* What is allocated with the transaction appears with the name, or not at all. */
static int init_sensors(dure_tx *tx, void *object, uint64_t count, void *context)
{
	struct sensor *sensors = object;
	void *label;

	for (uint64_t i = 0; i < count; i++) {
		int r = dure_tx_alloc(tx, LABEL_BYTES, 0, &label);
		if (r < 0)
			return r;
		snprintf(label, LABEL_BYTES, "%s-%d", (const char *)context, (int)i);
		sensors[i].label = dure_ref_of(dure_tx_segment(tx), label);
		sensors[i].number = (int32_t)i;
		sensors[i].value = 20.5 + (double)i;
	}
	return 0;
}

static int fini_sensors(dure_tx *tx, void *object, uint64_t count, void *context)
{
	const struct sensor *sensors = object;
	int r = 0;

	(void)context;
	for (uint64_t i = 0; r == 0 && i < count; i++)
		r = dure_tx_free(tx, dure_ref_get(dure_tx_segment(tx), sensors[i].label, LABEL_BYTES));
	return r;
}

/* Exit status 1: this process has constructed them. */
static int ask_for_sensors(dure_segment *seg)
{
	char place[] = "roof";
	struct sensor *sensors;
	int r;

	must(dure_segment_reattach(seg));
	r = dure_object_find_or_create(seg, "sensors", DURE_TYPE(struct sensor), SENSORS, init_sensors,
				       place, (void **)&sensors);
	must(r);
	return r == DURE_CREATED;
}

static int race(dure_segment *seg)
{
	int status, makers = 0;

	for (int i = 0; i < 8; i++)
		if (fork() == 0)
			_exit(ask_for_sensors(seg));
	while (wait(&status) > 0)
		makers += WEXITSTATUS(status);
	return makers;
}

int main(void)
{
	struct dure_segment_options options = { .sz = sizeof options,
						.lifetime = DURE_LIFETIME_PROCESS };
	struct sensor *sensors;
	dure_segment *seg;
	uint64_t count;
	void *other;

	must(dure_segment_open("weather", DURE_CREATE, &options, &seg));
	printf("8 processes asked, %d constructed\n", race(seg));

	must(dure_object_find(seg, "sensors", DURE_TYPE(struct sensor), (void **)&sensors, &count));
	for (uint64_t i = 0; i < count; i++)
		printf("sensor %d, \"%s\": %.1f\n", (int)sensors[i].number,
		       (const char *)dure_ref_get(seg, sensors[i].label, LABEL_BYTES),
		       sensors[i].value);

	if (dure_object_find(seg, "sensors", DURE_TYPE(double), &other, NULL) == -EINVAL)
		printf("as another type: %s\n", dure_last_error());
	must(dure_object_destroy(seg, "sensors", DURE_TYPE(struct sensor), fini_sensors, NULL));
	if (dure_object_find(seg, "sensors", DURE_TYPE(struct sensor), &other, NULL) == -ENOENT)
		printf("destroyed: %s\n", dure_last_error());
	must(dure_segment_remove("weather", DURE_REMOVE_FORCE, NULL));	/* we use it ourselves */
	must(dure_segment_close(seg));
	return 0;
}
