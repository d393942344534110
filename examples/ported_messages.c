/* SPDX-License-Identifier: MIT */
/*
 * ported_messages - a program for System V message queues, line by line
 *
 * Clients send orders to a server as messages of type 1; their answers have the client's process
 * id as type. Each line that was System V's stands above the one that took its place. Half of the orders
 * have a priority, which System V has no word for. A client is killed when it has taken its answer:
 * msgrcv would have lost it.
 */
#include <dure.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CLIENTS = 6, ORDER = 1 };

struct order {
	int64_t client;
	int number;
};

static dure_segment *seg;
static dure_queue *queue;

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "ported_messages: %s\n", dure_last_error());
	exit(1);
}

static void send_order(int number)
{
	struct order order = { getpid(), number };
	struct dure_queue_put put = { .sz = sizeof put, .type = ORDER, .priority = number % 2 ? 1 : 0 };

	/* struct { long type; struct order order; } m = { ORDER, order };
	   msgsnd(id, &m, sizeof m.order, 0) */
	must(dure_queue_send(queue, &order, sizeof order, &put, DURE_FOREVER));
}

static void serve(void)
{
	struct dure_queue_select of_type = { .sz = sizeof of_type, .select = DURE_SELECT_TYPE,
					     .type = ORDER };
	struct dure_queue_put put = { .sz = sizeof put };
	struct order order;

	/* while (msgrcv(id, &m, sizeof m.order, ORDER, 0) >= 0) */
	while (dure_queue_receive(queue, &of_type, &order, sizeof order, NULL, DURE_FOREVER) == 0) {
		order.number *= 10;
		/* m.type = order.client; msgsnd(id, &m, sizeof m.order, 0) */
		put.type = order.client;
		must(dure_queue_send(queue, &order, sizeof order, &put, DURE_FOREVER));
	}
	_exit(0);
}

static void be_client(int number)
{
	struct dure_queue_select mine = { .sz = sizeof mine, .select = DURE_SELECT_TYPE };
	struct dure_message message = { .sz = sizeof message };
	struct order order;

	must(dure_segment_reattach(seg));
	must(dure_queue_open(seg, "orders", DURE_OPEN, NULL, &queue));
	send_order(number);
	/* msgrcv(id, &m, sizeof m.order, getpid(), 0), and from here on it is lost with us */
	mine.type = getpid();
	must(dure_queue_take(queue, &mine, &order, sizeof order, &message, DURE_FOREVER));
	if (number == 3)
		kill(getpid(), SIGKILL);
	must(dure_queue_acknowledge(queue, &message));
	_exit(order.number == 10 * number ? 0 : 1);
}

int main(void)
{
	struct dure_segment_options options = { .sz = sizeof options,
						.backing = DURE_BACKING_MEMORY_FILE };
	/* struct msqid_ds limits; limits.msg_qbytes = 16384, as root; msgctl(id, IPC_SET, &limits) */
	struct dure_queue_options limits = { .sz = sizeof limits, .bytes_max = 16384 };
	struct dure_queue_info info = { .sz = sizeof info };
	int answered = 0, killed = 0, status;
	pid_t server;

	must(dure_segment_open(NULL, DURE_CREATE, &options, &seg));
	/* id = msgget(key, IPC_CREAT | IPC_EXCL | 0600) */
	must(dure_queue_open(seg, "orders", DURE_CREATE, &limits, &queue));
	server = fork();
	if (server == 0) {
		must(dure_segment_reattach(seg));
		must(dure_queue_open(seg, "orders", DURE_OPEN, NULL, &queue));
		serve();
	}
	for (int i = 1; i <= CLIENTS; i++) {
		pid_t client = fork();
		if (client == 0)
			be_client(i);
		waitpid(client, &status, 0);
		answered += WIFEXITED(status) && WEXITSTATUS(status) == 0;
		killed += WIFSIGNALED(status);
	}
	printf("%d clients answered, %d killed\n", answered, killed);
	/* msgctl(id, IPC_STAT, &status): there, nothing would be left */
	must(dure_queue_info(queue, &info));
	printf("%llu answer is still there for whoever asks\n", (unsigned long long)info.messages);
	/* kill(server, SIGTERM), and hope that it has nothing in its hands */
	must(dure_queue_shut(queue));
	kill(server, SIGTERM);
	waitpid(server, NULL, 0);
	/* msgctl(id, IPC_RMID, NULL) */
	dure_queue_close(queue);
	must(dure_queue_destroy(seg, "orders"));
	must(dure_segment_close(seg));
	return 0;
}
