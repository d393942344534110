/* SPDX-License-Identifier: MIT */
/*
 * transfer - a bank whose clerk is killed in the middle of a transfer
 *
 * The clerk takes the money from one account, and is killed before he adds it to the other. The
 * next who locks these accounts finds both as they were before: the sum is right at every moment
 * at which anybody can look.
 */
#include <dure.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct account {
	dure_mutex lock;
	int64_t balance;
};

enum { ACCOUNTS = 2 };

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "transfer: %s\n", dure_last_error());
	exit(1);
}

/* Both in one step. dies: the clerk is killed half way. */
static int transfer(dure_segment *seg, struct account *from, struct account *to, int64_t amount,
		    int dies)
{
	dure_tx *tx;
	int64_t balance;
	int r = dure_tx_begin(seg, &tx);

	if (r < 0)
		return r;
	r = dure_tx_lock(tx, &from->lock, DURE_FOREVER);
	if (r >= 0)
		r = dure_tx_lock(tx, &to->lock, DURE_FOREVER);
	balance = from->balance - amount;
	if (r >= 0)
		r = dure_tx_write(tx, &from->balance, &balance, sizeof balance);
	if (dies)
		kill(getpid(), SIGKILL);
	balance = to->balance + amount;
	if (r >= 0)
		r = dure_tx_write(tx, &to->balance, &balance, sizeof balance);
	if (r >= 0)
		return dure_tx_commit(tx);
	dure_tx_abort(tx);
	return r;
}

static void show(dure_segment *seg, struct account *accounts, const char *when)
{
	dure_tx *tx;

	must(dure_tx_begin(seg, &tx));
	for (int i = 0; i < ACCOUNTS; i++)
		must(dure_tx_lock(tx, &accounts[i].lock, DURE_FOREVER));
	printf("%-22s %4d %4d\n", when, (int)accounts[0].balance, (int)accounts[1].balance);
	must(dure_tx_commit(tx));
}

int main(void)
{
	struct dure_segment_options options = { .sz = sizeof options,
						.backing = DURE_BACKING_MEMORY_FILE };
	struct account *accounts;
	dure_segment *seg;
	int status;

	must(dure_segment_open(NULL, DURE_CREATE, &options, &seg));
	must(dure_object_construct(seg, "accounts", DURE_TYPE(struct account), ACCOUNTS, NULL, NULL,
				   (void **)&accounts));
	accounts[0].balance = accounts[1].balance = 500;
	show(seg, accounts, "at first");

	if (fork() == 0) {
		must(dure_segment_reattach(seg));
		_exit(transfer(seg, &accounts[0], &accounts[1], 100, 1) < 0);
	}
	wait(&status);
	printf("the clerk was killed by signal %d\n", WTERMSIG(status));
	show(seg, accounts, "after his death");

	must(transfer(seg, &accounts[0], &accounts[1], 100, 0));
	show(seg, accounts, "after another transfer");
	must(dure_segment_close(seg));
	return 0;
}
