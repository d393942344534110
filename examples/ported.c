/* SPDX-License-Identifier: MIT */
/*
 * ported - a program for System V semaphores, line by line
 *
 * A store has room for three crates. Suppliers bring them, customers fetch them; the books have a
 * lock. Each line that was System V's stands above the one that took its place. Half of the
 * suppliers are killed with the lock; SEM_UNDO gives it back, and without a system call.
 */
#include <dure.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOCK, ROOM, CRATES, SEMAPHORES };
enum { PROCESSES = 16, SUPPLIERS = 8, PLACES = 3 };

static dure_segment *seg;
static dure_semset *set;

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "ported: %s\n", dure_last_error());
	exit(1);
}

/* id = semget(key, SEMAPHORES, IPC_CREAT | IPC_EXCL | 0600); semctl(id, 0, SETALL, values);
   and hope that nobody looks between the two */
static int make(dure_tx *tx, void *object, uint64_t count, void *context)
{
	static const uint32_t values[SEMAPHORES] = { [LOCK] = 1, [ROOM] = PLACES, [CRATES] = 0 };
	struct dure_semset_options options = { .sz = sizeof options, .semaphores = SEMAPHORES,
					       .processes = PROCESSES, .values = values };

	(void)context;
	return count ? dure_semset_init(dure_tx_segment(tx), object, &options) : -EINVAL;
}

static void supply(int dies)
{
	/* struct sembuf begin[] = { { LOCK, -1, SEM_UNDO }, { ROOM, -1, 0 } }; */
	static const struct dure_semset_operation begin[] = { { LOCK, -1, DURE_SEMSET_UNDO },
							      { ROOM, -1, 0 } },
		end[] = { { CRATES, 1, 0 }, { LOCK, 1, DURE_SEMSET_UNDO } };

	/* semop(id, begin, 2) */
	must(dure_semset_operate(seg, set, begin, 2, DURE_FOREVER));
	if (dies) {
		/* struct sembuf brought = { CRATES, 1, 0 }; semop(id, &brought, 1) */
		must(dure_semset_operate(seg, set, end, 1, DURE_FOREVER));
		kill(getpid(), SIGKILL);
	}
	must(dure_semset_operate(seg, set, end, 2, DURE_FOREVER));
}

int main(void)
{
	static const struct dure_semset_operation fetch[] = { { CRATES, -1, 0 }, { ROOM, 1, 0 } },
		is_empty = { CRATES, 0, DURE_SEMSET_NO_WAIT };
	struct dure_segment_options options = { .sz = sizeof options,
						.backing = DURE_BACKING_MEMORY_FILE };
	struct dure_semset_info info = { .sz = sizeof info };
	uint32_t values[SEMAPHORES];
	int killed = 0, status;

	must(dure_segment_open(NULL, DURE_CREATE, &options, &seg));
	must(dure_object_find_or_create(seg, "store",
					dure_type_make("store", DURE_SEMSET_BYTES(SEMAPHORES, PROCESSES), 8),
					1, make, NULL, (void **)&set));
	for (int i = 0; i < SUPPLIERS; i++)
		if (fork() == 0) {
			must(dure_segment_reattach(seg));
			supply(i % 2);
			_exit(0);
		}
	/* semop(id, fetch, 2) */
	for (int i = 0; i < SUPPLIERS; i++)
		must(dure_semset_operate(seg, set, fetch, 2, DURE_FOREVER));
	while (wait(&status) > 0)
		killed += WIFSIGNALED(status);
	printf("%d crates fetched, %d suppliers killed\n", SUPPLIERS, killed);

	/* semop(id, &is_empty, 1): a zero that is waited for */
	must(dure_semset_operate(seg, set, &is_empty, 1, DURE_FOREVER));
	/* semctl(id, 0, GETALL, values) */
	must(dure_semset_get_all(seg, set, values, SEMAPHORES));
	printf("lock %u, room %u, crates %u\n", values[LOCK], values[ROOM], values[CRATES]);
	/* semctl(id, LOCK, GETNCNT) */
	must(dure_semset_info(seg, set, LOCK, &info));
	printf("%u wait for the lock\n", info.waiting_for_more);
	/* semctl(id, 0, IPC_RMID) */
	must(dure_semset_remove(seg, set));
	must(dure_segment_close(seg));
	return 0;
}
