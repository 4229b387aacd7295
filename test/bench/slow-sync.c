/*
 * Makes each sync of a file take SLOW_SYNC_MS longer, as a flash card does: loaded into
 * a process by LD_PRELOAD (slow-sync.ts).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static void wait_for_the_card(void)
{
	const char *ms = getenv("SLOW_SYNC_MS");
	long left = ms == NULL ? 0 : atol(ms);
	struct timespec time = { left / 1000, left % 1000 * 1000000 };
	nanosleep(&time, NULL);
}

int fsync(int file)
{
	int (*original)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
	wait_for_the_card();
	return original(file);
}

int fdatasync(int file)
{
	int (*original)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
	wait_for_the_card();
	return original(file);
}
