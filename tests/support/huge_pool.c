/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Huge pages for tests.
 *
 * WHAT FOR. Freed huge pages can be told from lost ones only while nobody else
 * changes the pool.
 *
 * STRATEGY. A lock file that every test takes; the number before is
 * remembered and written back, by the process that took the pages and by no
 * child of it.
 *
 * CONCURRENCY. From the main thread only.
 *
 * WHAT IT DOES NOT DO. It knows pages of 2 MiB only.
 */
#include "support/huge_pool.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#define LOCK "/tmp/vaspace-tests.lock"
#define POOL "/sys/kernel/mm/hugepages/hugepages-2048kB/"

static struct {
	int lock;
	pid_t owner; /* 0 = not taken */
	uint64_t before;
	bool registered;
} pool;

static bool pool_read(const char *path, uint64_t *value)
{
	FILE *file = fopen(path, "re");
	bool read;

	if (!file)
		return false;
	read = fscanf(file, "%" SCNu64, value) == 1;
	fclose(file);
	return read;
}

static bool pool_write(uint64_t value)
{
	FILE *file = fopen(POOL "nr_hugepages", "we");
	bool written;

	if (!file)
		return false;
	written = fprintf(file, "%" PRIu64, value) > 0;
	return fclose(file) == 0 && written;
}

uint64_t huge_pool_free(void)
{
	uint64_t pages = 0, reserved = 0;

	(void)pool_read(POOL "free_hugepages", &pages);
	(void)pool_read(POOL "resv_hugepages", &reserved);
	return pages - reserved;
}

bool huge_pool_take(unsigned pages)
{
	if (!pool.registered)
		pool.registered = atexit(huge_pool_return) == 0;
	pool.lock = open(LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (pool.lock < 0)
		return false;
	pool.owner = getpid();
	if (flock(pool.lock, LOCK_EX) || !pool_read(POOL "nr_hugepages", &pool.before)) {
		pool.owner = 0;
		close(pool.lock);
		return false;
	}
	if (pool_write(pool.before + pages) && huge_pool_free() >= pages)
		return true;
	huge_pool_return();
	return false;
}

void huge_pool_return(void)
{
	if (pool.owner != getpid())
		return;
	pool.owner = 0;
	(void)pool_write(pool.before);
	close(pool.lock);
}
