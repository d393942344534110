/* SPDX-License-Identifier: MIT */
/*
 * settings - many read, one writes; a reader and a writer are killed
 *
 * Two children read and hold on to the lock; the parent wants to write and waits for them. One
 * gives the lock back, the other is killed: the parent goes on in both cases. Then a writer is
 * killed between two stores, and the next who gets the lock is told so, and mends.
 */
#include <dure.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* equal while nobody writes */
struct settings {
	dure_rwlock lock;
	int version, copy;
};

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "settings: %s\n", dure_last_error());
	exit(1);
}

static void read_them(dure_segment *seg, struct settings *s, int dies)
{
	must(dure_rwlock_lock(seg, &s->lock, DURE_SHARED, DURE_FOREVER));
	if (dies)
		kill(getpid(), SIGKILL);
	must(dure_rwlock_unlock(seg, &s->lock));
}

static void write_them(dure_segment *seg, struct settings *s, int dies)
{
	int r = dure_rwlock_lock(seg, &s->lock, DURE_EXCLUSIVE, DURE_FOREVER);

	must(r);
	if (r == DURE_OWNER_DIED) {
		printf("a writer died, and left %d and %d: mending\n", s->version, s->copy);
		s->copy = s->version;
		must(dure_rwlock_mark_consistent(seg, &s->lock));
	}
	s->version++;
	if (dies)
		kill(getpid(), SIGKILL);
	s->copy++;
	must(dure_rwlock_unlock(seg, &s->lock));
	printf("version %d\n", s->version);
}

static void in_a_child(dure_segment *seg, struct settings *s, int dies,
		       void (*what)(dure_segment *seg, struct settings *s, int dies))
{
	if (fork() == 0) {
		must(dure_segment_reattach(seg));
		what(seg, s, dies);
		_exit(0);
	}
}

int main(void)
{
	struct dure_segment_options options = { .sz = sizeof options,
						.backing = DURE_BACKING_MEMORY_FILE };
	struct settings *s;
	dure_segment *seg;

	setvbuf(stdout, NULL, _IOLBF, 0);
	must(dure_segment_open(NULL, DURE_CREATE, &options, &seg));
	must(dure_object_construct(seg, "settings", DURE_TYPE(struct settings), 1, NULL, NULL,
				   (void **)&s));
	in_a_child(seg, s, 0, read_them);
	in_a_child(seg, s, 1, read_them);
	write_them(seg, s, 0);
	while (wait(NULL) > 0)
		;
	in_a_child(seg, s, 1, write_them);
	wait(NULL);
	write_them(seg, s, 0);

	/* from reading to writing without a gap; nobody can have changed it in between */
	must(dure_rwlock_lock(seg, &s->lock, DURE_UPGRADABLE, DURE_FOREVER));
	if (s->version < 10) {
		must(dure_rwlock_change(seg, &s->lock, DURE_EXCLUSIVE, DURE_FOREVER));
		s->version = s->copy = 10;
	}
	must(dure_rwlock_unlock(seg, &s->lock));
	printf("version %d\n", s->version);
	must(dure_segment_close(seg));
	return 0;
}
