/* SPDX-License-Identifier: BSD-2-Clause */
/* See memory_file.h. */
#include "support/memory_file.h"

#include <errno.h>
#include <string.h>

#include "base/random.h"
#include "sys/nothing.h"

#define DESCRIPTOR 7
#define PAGE	   4096u

static struct memory_file *of(struct vas_sys *sys)
{
	return (struct memory_file *)(void *)sys;
}

static int64_t memory_open(struct vas_sys *sys, const char *path, int flags)
{
	struct memory_file *file = of(sys);

	(void)path;
	(void)flags;
	if (file->open_error)
		return file->open_error;
	file->position = 0;
	file->opened++;
	return DESCRIPTOR;
}

static int64_t memory_close(struct vas_sys *sys, int fd)
{
	struct memory_file *file = of(sys);

	if (fd != DESCRIPTOR || !file->opened)
		return -EBADF;
	file->opened--;
	return 0;
}

/* The whole lines that fit a page, as the kernel cuts them; a longer line is cut. */
static size_t whole_lines(const struct memory_file *file, size_t most)
{
	const uint8_t *at = file->bytes + file->position;
	size_t length = 0;

	if (most > PAGE)
		most = PAGE;
	for (size_t i = 0; i < most; i++) {
		if (at[i] == '\n')
			length = i + 1;
	}
	return length ? length : most;
}

static int64_t memory_read(struct vas_sys *sys, int fd, void *buffer, uint64_t size)
{
	struct memory_file *file = of(sys);
	size_t length = file->size - file->position;

	if (fd != DESCRIPTOR || !file->opened)
		return -EBADF;
	if (size == 0)
		return 0;
	if (++file->reads == file->fail_at)
		return file->error;
	if (length > size)
		length = size;
	if (file->chunk == MEMORY_FILE_FIXED && length > file->fixed)
		length = file->fixed;
	else if (file->chunk == MEMORY_FILE_LINES && length > 0)
		length = whole_lines(file, length);
	else if (file->chunk == MEMORY_FILE_RANDOM && length > 1)
		length = 1 + vas_random_below(&file->random, length < 300 ? length : 300);
	memcpy(buffer, file->bytes + file->position, length);
	file->position += length;
	return (int64_t)length;
}

static int64_t memory_seek(struct vas_sys *sys, int fd, uint64_t offset, int whence)
{
	struct memory_file *file = of(sys);

	(void)whence;
	if (fd != DESCRIPTOR || !file->opened)
		return -EBADF;
	if (file->seek_error)
		return file->seek_error;
	file->position = offset < file->size ? offset : file->size;
	return (int64_t)offset;
}

void memory_file_init(struct memory_file *file, const void *bytes, size_t size,
		      enum memory_file_chunk chunk)
{
	*file = (struct memory_file){
		.sys = {
			.name = "memory file",
			.page_size = PAGE,
			.open = memory_open,
			.close = memory_close,
			.read = memory_read,
			.seek = memory_seek,
		},
		.bytes = bytes,
		.size = size,
		.chunk = chunk,
		.fixed = 1,
	};
	vas_sys_nothing_fill(&file->sys);
}
