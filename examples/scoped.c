/* SPDX-License-Identifier: MIT */
/*
 * scoped - locks that are given back on every way out of a function
 *
 * A withdrawal has four ways out. None of them unlocks, and none forgets to: the guard's scope
 * ends. The result of locking is in the guard, so a dead owner is noticed as ever.
 */
#include <dure.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct account {
	dure_mutex lock;
	int balance, withdrawn;		/* their sum is 100 while nobody holds the lock */
};

static dure_segment *seg;
static struct account *account;

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "scoped: %s\n", dure_last_error());
	exit(1);
}

static int withdraw(int amount)
{
	DURE_SCOPED_LOCK(held, seg, &account->lock, DURE_S(10));

	if (held.result < 0)
		return held.result;		/* nothing is held, nothing will be unlocked */
	if (held.result == DURE_OWNER_DIED) {
		account->balance = 100 - account->withdrawn;
		printf("mended: %d left\n", account->balance);
		dure_mutex_mark_consistent(seg, &account->lock);
	}
	if (amount > account->balance)
		return -ENOSPC;			/* unlocks */
	account->withdrawn += amount;
	if (amount == 13)
		_exit(0);			/* the process ends; so does its lock, unmended */
	account->balance -= amount;
	return account->balance;		/* unlocks */
}

/* The lock goes to the caller, together with the promise that there is enough. */
static dure_guard lock_if_enough(int amount)
{
	DURE_SCOPED_LOCK(held, seg, &account->lock, DURE_S(10));

	if (held.result >= 0 && account->balance < amount)
		held.result = -ENOSPC;		/* and the guard unlocks */
	return held.result < 0 ? (dure_guard){ .result = held.result } : dure_guard_move(&held);
}

static int withdraw_twice(int amount)
{
	DURE_SCOPED(held, lock_if_enough(2 * amount));

	if (held.result < 0)
		return held.result;
	account->withdrawn += 2 * amount;
	account->balance -= 2 * amount;
	return account->balance;
}

int main(void)
{
	struct dure_segment_options options = { .sz = sizeof options,
						.backing = DURE_BACKING_MEMORY_FILE };

	setvbuf(stdout, NULL, _IOLBF, 0);
	must(dure_segment_open(NULL, DURE_CREATE, &options, &seg));
	must(dure_object_construct(seg, "account", DURE_TYPE(struct account), 1, NULL, NULL,
				   (void **)&account));
	account->balance = 100;
	printf("30: %d left\n", withdraw(30));
	printf("90: %s\n", dure_strerror(withdraw(90)));
	if (fork() == 0) {
		must(dure_segment_reattach(seg));
		withdraw(13);
	}
	wait(NULL);
	printf("7: %d left\n", withdraw(7));
	printf("twice 40: %s\n", dure_strerror(withdraw_twice(40)));
	printf("twice 20: %d left\n", withdraw_twice(20));
	must(dure_segment_close(seg));		/* would be -EBUSY if a lock were still held */
	return 0;
}
