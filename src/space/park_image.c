/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Contents of private memory, to and from the caller's image.
 *
 * WHAT FOR. Shared objects keep their contents when they are detached. Private
 * memory does not exist but in its mapping, so it is written to a file first.
 *
 * STRATEGY. The kernel copies straight between memory and file, so that a page
 * that cannot be had is an errno rather than a signal. Where the file's old contents
 * could be punched out, zero pages are not written; to look for them, pages are made
 * present first, and where that is refused all of the piece is written. Reading
 * goes through a small buffer on the stack: only what differs from what is mapped
 * already is read again, into the memory itself, so untouched pages stay untouched.
 *
 * CONCURRENCY. Called without the holding's lock, on a range that is marked as busy; nobody
 * may be writing to the memory.
 *
 * WHAT IT DOES NOT DO. It does not map, and does not change protections.
 */
#include "space/park.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/mman.h>

#include "base/number.h"
#include "sys/definitions.h"

#define IMAGE_STEP   (UINT64_C(1) << 20) /* bytes looked at, and written, at once */
#define IMAGE_BUFFER 16384u

/* What pread, pwrite and the like answer, as an errno of the tables. */
static int image_classify(int64_t err, struct vas_failure *failure)
{
	failure->why = VAS_WHY_IMAGE;
	switch (err) {
	case -EBADF:
	case -ENOMEM:
		return (int)err;
	case -ENOSPC:
	case -EDQUOT:
	case -EFBIG:
		return -ENOSPC;
	case -EPERM:
	case -EACCES:
	case -ENOSYS:
		failure->why = VAS_WHY_DENIED;
		return (int)err;
	default:
		return -EIO;
	}
}

/*
 * Old contents out of the way: what is not written then reads as zeroes. The file gets its
 * length at the end, so that reading finds all of it.
 */
int vas_park_image_begin(struct vas_park_work *work)
{
	const struct vas_park_opts *opts = work->opts;
	struct vas_sys *sys = work->part.space->sys;
	struct vas_sys_stat status;
	int64_t err;

	err = VAS_CALL(sys, stat, opts->image, 0, &status);
	if (err < 0)
		return image_classify(err, work->failure);
	work->sparse =
		VAS_CALL(sys, allocate, opts->image, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 opts->image_offset, work->parked->image_size) == 0;
	return 0;
}

static int image_put(struct vas_park_work *work, uint64_t address, uint64_t size, uint64_t offset)
{
	struct vas_sys *sys = work->part.space->sys;

	while (size) {
		int64_t got = VAS_CALL(sys, write_at, work->opts->image,
				       (const void *)(uintptr_t)address, size, offset);

		if (got <= 0 || (uint64_t)got > size)
			return image_classify(got < 0 ? got : -EIO, work->failure);
		address += (uint64_t)got;
		offset += (uint64_t)got;
		size -= (uint64_t)got;
	}
	return 0;
}

static bool is_zero(const void *memory, uint64_t size)
{
	const uint64_t *words = memory;

	for (uint64_t i = 0; i < size / sizeof(*words); i++)
		if (words[i])
			return false;
	return true;
}

/* The pages that are not zero, run by run. The memory is present. */
static int image_put_sparse(struct vas_park_work *work, uint64_t address, uint64_t size,
			    uint64_t offset)
{
	uint64_t page = work->part.space->sys->page_size;
	uint64_t run = 0; /* bytes before at that are not zero and not written yet */
	int err;

	for (uint64_t at = 0; at < size; at += page) {
		if (!is_zero((const void *)(uintptr_t)(address + at), page)) {
			run += page;
			continue;
		}
		err = run ? image_put(work, address + at - run, run, offset + at - run) : 0;
		if (err)
			return err;
		run = 0;
	}
	return run ? image_put(work, address + size - run, run, offset + size - run) : 0;
}

int vas_park_image_write(struct vas_park_work *work, const struct vas_park_step *step)
{
	uint64_t address = step->extent.start, end = step->extent.end;
	uint64_t offset = work->opts->image_offset + step->image;
	struct vas_sys *sys = work->part.space->sys;

	for (; address < end; address += IMAGE_STEP, offset += IMAGE_STEP) {
		uint64_t size = end - address < IMAGE_STEP ? end - address : IMAGE_STEP;
		int err;

		if (work->sparse && VAS_CALL(sys, advise, address, size, MADV_POPULATE_READ) >= 0)
			err = image_put_sparse(work, address, size, offset);
		else
			err = image_put(work, address, size, offset);
		if (err)
			return err;
	}
	return 0;
}

/* The file is as long as its contents, whatever their last pages are. */
int vas_park_image_end(struct vas_park_work *work)
{
	uint64_t end = work->opts->image_offset + work->parked->image_size;
	struct vas_sys *sys = work->part.space->sys;
	struct vas_sys_stat status;
	int64_t err;

	err = VAS_CALL(sys, stat, work->opts->image, 0, &status);
	if (err >= 0 && work->sparse && status.size < end)
		err = VAS_CALL(sys, truncate, work->opts->image, end);
	return err < 0 ? image_classify(err, work->failure) : 0;
}

/* All of it, or -EIO when the image ends early. */
static int image_get(struct vas_park_work *work, void *memory, uint64_t size, uint64_t offset)
{
	struct vas_sys *sys = work->part.space->sys;
	uint8_t *to = memory;

	while (size) {
		int64_t got = VAS_CALL(sys, read_at, work->opts->image, to, size, offset);

		/* The memory itself: a page that cannot be had. */
		if (got == -EFAULT) {
			work->failure->why = VAS_WHY_MEMORY;
			return -ENOMEM;
		}
		if (got <= 0 || (uint64_t)got > size)
			return image_classify(got < 0 ? got : -EIO, work->failure);
		to += got;
		offset += (uint64_t)got;
		size -= (uint64_t)got;
	}
	return 0;
}

/* Whether the page is what is mapped there already. present: it may be looked at. */
static bool image_same(const uint8_t *page, uint64_t address, uint64_t size, bool present)
{
	if (present)
		return memcmp(page, (const void *)(uintptr_t)address, size) == 0;
	return is_zero(page, size);
}

/*
 * One buffer's worth. Fresh anonymous memory is zero without being looked at. Pages that
 * differ are read once more, to where they belong.
 */
static int image_get_some(struct vas_park_work *work, uint64_t address, uint64_t size,
			  uint64_t offset, bool present)
{
	uint64_t buffer[IMAGE_BUFFER / sizeof(uint64_t)];
	uint64_t page = work->part.space->sys->page_size, run = 0;
	const uint8_t *bytes = (const uint8_t *)buffer;
	int err;

	if (page > sizeof(buffer))
		return image_get(work, (void *)(uintptr_t)address, size, offset);
	err = image_get(work, buffer, size, offset);
	for (uint64_t at = 0; at < size && !err; at += page) {
		if (!image_same(bytes + at, address + at, page, present)) {
			run += page;
			continue;
		}
		if (run)
			err = image_get(work, (void *)(uintptr_t)(address + at - run), run,
					offset + at - run);
		run = 0;
	}
	if (run && !err)
		err = image_get(work, (void *)(uintptr_t)(address + size - run), run,
				offset + size - run);
	return err;
}

int vas_park_image_read(struct vas_park_work *work, const struct vas_park_step *step)
{
	uint64_t address = step->extent.start, end = step->extent.end;
	uint64_t offset = work->opts->image_offset + step->image;
	struct vas_sys *sys = work->part.space->sys;
	bool object = step->object;
	int err = 0;

	for (; address < end && !err; address += IMAGE_BUFFER, offset += IMAGE_BUFFER) {
		uint64_t size = end - address < IMAGE_BUFFER ? end - address : IMAGE_BUFFER;

		if (object && VAS_CALL(sys, advise, address, size, MADV_POPULATE_READ) < 0)
			err = image_get(work, (void *)(uintptr_t)address, size, offset);
		else
			err = image_get_some(work, address, size, offset, object);
	}
	return err;
}
