/* SPDX-License-Identifier: MIT */
/*
 * waits.c - who waits for whom, in words
 */
#include "waits.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

static const struct dure_host_object *object_of(const struct host *host, uint64_t index)
{
	for (size_t i = 0; i < host->object_count; i++)
		if (host->objects[i]->index == index)
			return host->objects[i];
	return NULL;
}

static void process_text(const struct host *host, uint32_t pid, uint32_t thread, char *text,
			 size_t text_bytes)
{
	const struct dure_host_process *p = host_process(host, pid);
	char shown[120], id[32] = "";

	if (thread && thread != pid)
		snprintf(id, sizeof id, " thread %" PRIu32, thread);
	snprintf(text, text_bytes, "%" PRIu32 " (%s)%s", pid,
		 p ? harmless(p->name, shown, sizeof shown) : "?", id);
}

/* what is known of the other side; "" when nothing is */
static void holder_text(const struct host *host, const struct dure_host_wait *w, char *text,
			size_t text_bytes)
{
	bool is_sem = w->kind == DURE_HOST_WAIT_SEM;
	char who[200];

	text[0] = '\0';
	if (w->holder_is_dead)
		snprintf(text, text_bytes, "; %s %" PRIu32 ", which is dead",
			 is_sem ? "last changed by" : "held by", w->holder_inner);
	else if (w->holder) {
		process_text(host, w->holder, 0, who, sizeof who);
		snprintf(text, text_bytes, "; %s %s", is_sem ? "last changed by" : "held by", who);
	}
}

char *wait_text(const struct host *host, const struct dure_host_wait *w, char *text,
		size_t text_bytes)
{
	const struct dure_host_object *o = object_of(host, w->object);
	char name[OBJECT_NAME_BYTES], shown[200], who[200], what[80], holder[260];

	process_text(host, w->process, w->thread, who, sizeof who);
	holder_text(host, w, holder, sizeof holder);
	harmless(o ? object_name(o, name, sizeof name) : "?", shown, sizeof shown);
	switch (w->kind) {
	case DURE_HOST_WAIT_FUTEX:
		snprintf(what, sizeof what, "the word %#" PRIx64 " at +0x%" PRIx64 " of", w->word, w->offset);
		break;
	case DURE_HOST_WAIT_SEM:
		snprintf(what, sizeof what, "semaphore %" PRIu64 " (%" PRIu64 ") of", w->offset, w->word);
		break;
	case DURE_HOST_WAIT_SEND:
		snprintf(what, sizeof what, "room in");
		break;
	case DURE_HOST_WAIT_RECEIVE:
		snprintf(what, sizeof what, "a message in");
		break;
	case DURE_HOST_WAIT_LOCK:
	default:
		snprintf(what, sizeof what, "the file lock on");
		break;
	}
	snprintf(text, text_bytes, "process %s waits for %s %s%s", who, what, shown, holder);
	return text;
}

bool waits_for_dead(const struct dure_host_wait *w)
{
	return w->holder_is_dead && (w->kind == DURE_HOST_WAIT_FUTEX || w->kind == DURE_HOST_WAIT_SEM);
}

void print_wait_remedies(const struct host *host, const struct dure_host_wait *w)
{
	const struct dure_host_object *o = object_of(host, w->object);
	char name[OBJECT_NAME_BYTES];

	if (!o)
		return;
	fputs("  look      dure who", stdout);
	print_word(object_name(o, name, sizeof name));
	putchar('\n');
	if (w->kind == DURE_HOST_WAIT_SEM) {
		printf("  let go    perl -e 'semop(%" PRId64 ", pack(\"s3\", %" PRIu64 ", 1, 0)) or die $!'    "
		       "# if the dead one had a unit of it\n", o->id, w->offset);
		puts("  for good  in the program: SEM_UNDO in what semop is given");
		return;
	}
	printf("  end it    kill -KILL %" PRIu32 "    # nobody can let go of it any more: start it anew\n",
	       w->process);
	puts("  for good  in the program: pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST)");
}

/* -- circles ----------------------------------------------------------------------------- */

/* the first wait of a process whose holder is known */
static const struct dure_host_wait *wait_of(const struct host *host, uint32_t process)
{
	for (size_t i = 0; i < host->wait_count; i++)
		if (host->waits[i]->process == process && host->waits[i]->holder &&
		    host->waits[i]->holder != process)
			return host->waits[i];
	return NULL;
}

/* what a circle must have in it: a process, or somebody who waits for an object */
struct wanted {
	uint32_t process;		/* 0: any */
	uint64_t object;		/* DURE_HOST_ANY: any */
};

/* A circle is told once, from its smallest process. */
static bool is_smallest_in_circle(const struct host *host, uint32_t start,
				  const struct wanted *wanted)
{
	const struct dure_host_wait *wait = wait_of(host, start);
	bool has_process = !wanted->process, has_object = wanted->object == DURE_HOST_ANY;

	for (size_t i = 0; wait && i <= host->wait_count; i++) {
		has_process |= wait->process == wanted->process;
		has_object |= wait->object == wanted->object;
		if (wait->holder == start)
			return has_process && has_object;
		if (wait->holder < start)
			return false;
		wait = wait_of(host, wait->holder);
	}
	return false;
}

/* Of semaphores only the last user is known, and who has other threads may still let go. */
static bool is_certain(const struct host *host, const struct dure_host_wait *wait)
{
	const struct dure_host_process *p = host_process(host, wait->process);

	return wait->kind != DURE_HOST_WAIT_SEM && p && p->threads == 1;
}

static char *circle_text(const struct host *host, uint32_t start, char *text, size_t text_bytes)
{
	const struct dure_host_wait *wait = wait_of(host, start);
	bool certain = true;
	char who[200];
	size_t used = 0;

	for (size_t i = 0; wait && i <= host->wait_count && used + 200 < text_bytes; i++) {
		process_text(host, wait->process, 0, who, sizeof who);
		used += (size_t)snprintf(text + used, text_bytes - used, "%s waits for ", who);
		certain &= is_certain(host, wait);
		if (wait->holder == start)
			break;
		wait = wait_of(host, wait->holder);
	}
	process_text(host, start, 0, who, sizeof who);
	snprintf(text + used, text_bytes - used, "%s: they %swait for each other", who,
		 certain ? "" : "may ");
	return text;
}

unsigned explain_circles(const struct host *host, uint32_t process, uint64_t object, json_t *into)
{
	const struct wanted wanted = { process, object };
	char text[4096];
	uint32_t last = 0;
	unsigned said = 0;

	for (size_t i = 0; i < host->wait_count; i++) {
		uint32_t start = host->waits[i]->process;
		if (start == last || !is_smallest_in_circle(host, start, &wanted))
			continue;
		last = start;		/* waits come process by process */
		circle_text(host, start, text, sizeof text);
		if (into)
			json_array_append_new(into, text_value(text));
		else
			printf("%sdeadlock%s  %s\n", color_on(stdout, COLOR_BAD), color_off(stdout), text);
		said++;
	}
	return said;
}
