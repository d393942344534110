/* SPDX-License-Identifier: MIT */
/*
 * sensor - one publisher, three subscribers, each with the policy that suits it
 *
 * A recorder wants every reading, so publishers wait for it. A display wants the latest. A monitor
 * may lose some, as long as it is told. The monitor is killed while it has a reading on loan: nobody
 * notices, and the memory goes back.
 */
#include <dure.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READINGS = 10000, KEPT = 32 };

struct reading { uint64_t number; double celsius[30]; };

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "sensor: %s\n", dure_last_error());
	exit(1);
}

/* In a process of its own; each reading is one that was lost, or one that was received. */
static void subscribe(dure_segment *seg, uint32_t policy, int ready)
{
	struct dure_subscribe_options options = { .sz = sizeof options, .policy = policy };
	struct dure_publication p = { .sz = sizeof p };
	uint64_t received = 0, lost = 0;
	const struct reading *reading;
	dure_subscriber *subscriber;
	dure_topic *topic;
	int r;

	must(dure_segment_reattach(seg));
	must(dure_topic_open(seg, "temperature", DURE_OPEN, NULL, &topic));
	must(dure_topic_subscribe(topic, &options, &subscriber));
	must(write(ready, "r", 1) == 1 ? 0 : -EIO);
	while ((r = dure_subscriber_take(subscriber, (const void **)&reading, &p, DURE_S(20))) == 0) {
		if (policy == DURE_TOPIC_DROP)
			raise(SIGKILL);
		must(reading->number == p.sequence ? 0 : -EIO);
		received++;
		lost += p.lost;
		must(dure_subscriber_give_back(subscriber, reading));
	}
	must(r == -ESHUTDOWN ? 0 : r);
	exit(received + lost == READINGS && (policy == DURE_TOPIC_LATEST || lost == 0) ? 0 : 1);
}

static void publish(dure_topic *topic)
{
	for (uint64_t i = 0; i < READINGS; i++) {
		struct reading *reading;
		must(dure_topic_loan(topic, sizeof *reading, (void **)&reading));
		reading->number = i;
		for (int k = 0; k < 30; k++)
			reading->celsius[k] = 20.0 + k;
		must(dure_topic_publish(topic, reading, sizeof *reading, DURE_S(20)));
	}
	must(dure_topic_shut(topic));
}

int main(void)
{
	static const char *const names[] = { "recorder", "display", "monitor" };
	static const uint32_t policies[] = { DURE_TOPIC_BLOCK, DURE_TOPIC_LATEST, DURE_TOPIC_DROP };
	struct dure_segment_options o = { .sz = sizeof o, .backing = DURE_BACKING_MEMORY_FILE };
	struct dure_topic_options limits = { .sz = sizeof limits, .messages_max = KEPT };
	struct dure_topic_info info = { .sz = sizeof info };
	dure_segment *seg;
	dure_topic *topic;
	int ready[2], status;
	pid_t pids[3];
	char c;

	must(dure_segment_open(NULL, DURE_CREATE, &o, &seg));
	must(dure_topic_open(seg, "temperature", DURE_CREATE, &limits, &topic));
	must(pipe(ready) == 0 ? 0 : -errno);
	for (int i = 0; i < 3; i++)
		if ((pids[i] = fork()) == 0)
			subscribe(seg, policies[i], ready[1]);
	for (int i = 0; i < 3; i++)
		must(read(ready[0], &c, 1) == 1 ? 0 : -EIO);
	publish(topic);
	for (int i = 0; i < 3; i++) {
		waitpid(pids[i], &status, 0);
		printf("%-8s  %s\n", names[i], WIFSIGNALED(status) ? "was killed"
			: WEXITSTATUS(status) == 0 ? "has all, or knows how many it lost" : "failed");
	}
	must(dure_topic_info(topic, &info));
	printf("published %d, still on loan %d\n", (int)info.published, (int)info.on_loan);
	dure_topic_close(topic);
	must(dure_segment_close(seg));
	return 0;
}
