/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Address spaces to measure in.
 *
 * What for: how long finding takes depends on what is mapped and where. Each
 * layout is built in a child process of its own, by MAP_FIXED_NOREPLACE and
 * with alternating protections so that the kernel merges nothing.
 *
 * Not here: measuring.
 */
#include "layouts.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

#define PAGE 4096u
#define MIB (1ull << 20)

static int place(uint64_t address, uint64_t size, unsigned int number)
{
	int prot = number % 2 ? PROT_READ : PROT_READ | PROT_WRITE;
	void *got = mmap((void *)(uintptr_t)address, size, prot,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (got == MAP_FAILED)
		return -errno;
	if ((uint64_t)(uintptr_t)got != address) {
		munmap(got, size);
		return -EEXIST;
	}
	return 0;
}

int layout_low(unsigned int count)
{
	int err = 0;

	for (unsigned int i = 0; i < count && !err; i++)
		err = place(WINDOW_START + (uint64_t)i * PAGE, PAGE, i);
	return err;
}

int layout_gaps(unsigned int count)
{
	int err = 0;

	for (unsigned int i = 0; i < count && !err; i++)
		err = place(WINDOW_START + i * (512 * MIB), PAGE, i);
	return err;
}

/* Fills one stretch without holes, in pieces of about the given size. What is taken already is left. */
static void fill_stretch(uint64_t start, uint64_t end, uint64_t piece, unsigned int *number)
{
	while (start < end) {
		uint64_t size = end - start < 2 * piece ? end - start : piece;

		while (place(start, size, *number) == -EEXIST && size > PAGE)
			size = size / 2 / PAGE * PAGE;
		(*number)++;
		start += size;
	}
}

int layout_fill(uint64_t start, uint64_t end, unsigned int count, const struct hole *holes,
		unsigned int hole_count)
{
	uint64_t piece = (end - start) / count / PAGE * PAGE;
	unsigned int number = 0;

	if (piece == 0)
		return -EINVAL;
	for (unsigned int i = 0; i < hole_count; i++) {
		fill_stretch(start, holes[i].start, piece, &number);
		start = holes[i].start + holes[i].size;
	}
	fill_stretch(start, end, piece, &number);
	return 0;
}

int in_child(int (*function)(void *context), void *context)
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child < 0)
		return -errno;
	if (child == 0) {
		int err = function(context);

		fflush(stdout);
		_exit(err ? 1 : 0);
	}
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (WIFEXITED(status))
		return WEXITSTATUS(status) ? -EIO : 0;
	return -ECHILD;
}
