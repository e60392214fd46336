/* SPDX-License-Identifier: BSD-2-Clause */
#include "support/fake_files.h"

#include <errno.h>
#include <string.h>

#include "sys/nothing.h"

static struct fake_files *fake_of(struct vas_sys *sys)
{
	return (struct fake_files *)sys; /* sys is the first field */
}

static int64_t fake_open(struct vas_sys *sys, const char *path, int flags)
{
	struct fake_files *fake = fake_of(sys);

	(void)flags;
	for (const struct fake_file *file = fake->files; file->path; file++) {
		if (strcmp(file->path, path) != 0)
			continue;
		for (int fd = 0; fd < FAKE_DESCRIPTORS; fd++) {
			if (fake->descriptors[fd].rest)
				continue;
			fake->descriptors[fd].rest = file->text;
			fake->opened++;
			fake->opens++;
			return fd;
		}
		return -EMFILE;
	}
	return -ENOENT;
}

static int64_t fake_read(struct vas_sys *sys, int fd, void *buffer, uint64_t size)
{
	struct fake_files *fake = fake_of(sys);
	size_t count;

	if (fd < 0 || fd >= FAKE_DESCRIPTORS || !fake->descriptors[fd].rest)
		return -EBADF;
	if (++fake->reads == fake->fail_read_at)
		return -EIO;
	count = strlen(fake->descriptors[fd].rest);
	if (count > fake->chunk)
		count = fake->chunk;
	if (count > size)
		count = size;
	memcpy(buffer, fake->descriptors[fd].rest, count);
	fake->descriptors[fd].rest += count;
	return (int64_t)count;
}

static int64_t fake_close(struct vas_sys *sys, int fd)
{
	struct fake_files *fake = fake_of(sys);

	if (fd < 0 || fd >= FAKE_DESCRIPTORS || !fake->descriptors[fd].rest)
		return -EBADF;
	fake->descriptors[fd].rest = NULL;
	fake->opened--;
	return 0;
}

static int64_t fake_get_limit(struct vas_sys *sys, int resource, struct vas_sys_limit *limit)
{
	const struct fake_limit *known = fake_of(sys)->limits;

	limit->current = limit->maximum = UINT64_MAX;
	for (; known && known->resource >= 0; known++) {
		if (known->resource == resource)
			limit->current = limit->maximum = known->current;
	}
	return 0;
}

void fake_files_init(struct fake_files *fake, const struct fake_file *files)
{
	*fake = (struct fake_files){
		.sys = {
			.name = "fake",
			.page_size = 4096,
			.get_limit = fake_get_limit,
			.open = fake_open,
			.close = fake_close,
			.read = fake_read,
		},
		.files = files,
		.chunk = SIZE_MAX,
	};
	vas_sys_nothing_fill(&fake->sys);
}
