/* SPDX-License-Identifier: MIT */
/* hello - two processes, one segment: who comes first makes it, who comes second finds it */
#include <dure.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

struct hello { dure_mutex lock; int visits; };

static int visit(void)
{
	struct hello *hello;
	dure_segment *seg;

	if (dure_segment_open("hello", DURE_CREATE | DURE_OPEN, NULL, &seg) < 0 ||
	    dure_object_find_or_create(seg, "hello", DURE_TYPE(struct hello), 1, NULL, NULL,
				       (void **)&hello) < 0)
		return puts(dure_last_error()), -1;
	dure_mutex_lock(seg, &hello->lock, DURE_FOREVER);
	printf("visit number %d\n", ++hello->visits);
	dure_mutex_unlock(seg, &hello->lock);
	return dure_segment_close(seg);
}

int main(void)
{
	if (fork() == 0)
		return visit();
	wait(NULL);
	return visit() < 0 ? 1 : dure_segment_remove("hello", 0, NULL);
}
