/* SPDX-License-Identifier: MIT */
/*
 * keys - System V keys that collide: refused before they do harm, and said when they have
 *
 * ftok makes a key of 16 bits of a file's number: two files can give the same one, and one file
 * under two names always does. All keys of a program are made at once here, so that two of them
 * cannot be one. Against a key that another program uses, too, there is only the sentence.
 */
#include <dure.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[] = "/tmp/dure-keys-XXXXXX";

static int must(int result)
{
	if (result >= 0)
		return result;
	fprintf(stderr, "keys: %s\n", dure_last_error());
	exit(1);
}

/* ledger, and journal, which is another name of the same file */
static void make_files(void)
{
	if (!mkdtemp(directory) || chdir(directory) < 0 ||
	    close(open("ledger", O_CREAT | O_WRONLY | O_CLOEXEC, 0600)) < 0 ||
	    link("ledger", "journal") < 0)
		exit(1);
}

static void remove_files(void)
{
	unlink("ledger");
	unlink("journal");
	rmdir(directory);
}

int main(void)
{
	struct dure_sysv_key_source sources[] = { { "ledger", 1 }, { "journal", 1 } };
	int32_t keys[2], theirs, ours;

	make_files();
	int r = dure_sysv_keys(sources, 2, keys);
	printf("one file, one project   %s\n", r == -EEXIST ? "refused" : "taken");
	printf("the sentence names both %s\n", strstr(dure_last_error(), "ledger") &&
						strstr(dure_last_error(), "journal") ? "yes" : "no");
	sources[1].project = 2;
	must(dure_sysv_keys(sources, 2, keys));
	printf("another project         two keys, %s\n", keys[0] != keys[1] ? "different" : "equal");

	/* another program has the first key, for something else */
	must(dure_sysv_shm_get(keys[0], 100, DURE_CREATE, NULL, &theirs));
	r = dure_sysv_shm_get(keys[0], 5000, DURE_CREATE | DURE_OPEN, NULL, &ours);
	printf("a key of another's      %s\n", r == -EINVAL && strstr(dure_last_error(), "the keys collide")
						? "said to collide" : "not noticed");
	must(dure_sysv_remove(DURE_SYSV_SHM, theirs));
	remove_files();
	return 0;
}
