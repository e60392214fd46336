/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 45 */
/*
 * Random operations of the public interface on the real kernel against the
 * flat model, as many as fit the time. After every tenth our own reading of
 * /proc/self/maps is compared with what the library says is mapped and free.
 * What is committed is written to, and so is what stands for somebody else's.
 */
#include "tap/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "base/random.h"
#include "support/reserve_model.h"
#include "sys/definitions.h"

static struct vas_layout *layout; /* open for the whole run: opening maps a buffer */

static int on_reserve(struct model_target *target, uint64_t size,
		      const struct vas_reserve_opts *opts, struct vas_span *span)
{
	(void)target;
	return vas_reserve(size, opts, span);
}

static int on_commit(struct model_target *target, uint64_t start, uint64_t size,
		     const struct vas_commit_opts *opts)
{
	(void)target;
	return vas_commit((void *)(uintptr_t)start, size, opts);
}

static int on_release(struct model_target *target, uint64_t start, enum vas_retired *state)
{
	(void)target;
	return vas_release((void *)(uintptr_t)start, state);
}

static int on_check(struct model_target *target, uint64_t *where)
{
	(void)target;
	return vas_sync_check(where);
}

static const char *parse_hex(const char *text, uint64_t *value)
{
	for (*value = 0;; text++) {
		if (*text >= '0' && *text <= '9')
			*value = *value << 4 | (uint64_t)(*text - '0');
		else if (*text >= 'a' && *text <= 'f')
			*value = *value << 4 | (uint64_t)(*text - 'a' + 10);
		else
			return text;
	}
}

/* Our own reading, with our own parser. */
static void read_maps(struct model_target *target, struct model_pieces *pieces)
{
	static char text[1 << 20];
	uint64_t end = target->space->bounds.high_max;
	size_t length = 0;
	ssize_t got;
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

	while ((got = read(fd, text + length, sizeof(text) - 1 - length)) > 0)
		length += (size_t)got;
	close(fd);
	text[length] = '\0';
	pieces->count = 0;
	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		struct model_piece piece = { 0, 0, 0 };
		const char *prot;

		prot = parse_hex(parse_hex(line, &piece.start) + 1, &piece.end) + 1;
		piece.prot = (prot[0] == 'r' ? PROT_READ : 0) | (prot[1] == 'w' ? PROT_WRITE : 0) |
			     (prot[2] == 'x' ? PROT_EXEC : 0);
		if (piece.start < end && pieces->count < MODEL_PIECES)
			pieces->items[pieces->count++] = piece;
	}
}

static bool mappings_agree(const struct model_pieces *pieces, uint64_t end)
{
	struct vas_mapping mapping;
	size_t i = 0;
	int more;

	if (vas_layout_rewind(layout))
		return false;
	while ((more = vas_layout_next(layout, &mapping)) > 0 && mapping.start < end) {
		if (i == pieces->count || mapping.start != pieces->items[i].start ||
		    mapping.end != pieces->items[i].end || mapping.prot != pieces->items[i].prot)
			return false;
		i++;
	}
	return more >= 0 && i == pieces->count;
}

static bool gaps_agree(const struct model_pieces *pieces, uint64_t start, uint64_t end)
{
	struct vas_gap gap;
	size_t i = 0;
	int more;

	if (vas_layout_rewind(layout))
		return false;
	for (; i < pieces->count && pieces->items[i].start <= start; i++)
		if (pieces->items[i].end > start)
			start = pieces->items[i].end;
	while ((more = vas_layout_next_gap(layout, &gap)) > 0) {
		if (gap.start != start ||
		    gap.end != (i < pieces->count ? pieces->items[i].start : end))
			return false;
		start = gap.end;
		for (; i < pieces->count && pieces->items[i].start == start; i++)
			start = pieces->items[i].end;
	}
	return more == 0 && start >= end;
}

static bool on_gaps(struct model_target *target, const struct model_pieces *pieces)
{
	static struct model_pieces now;
	const struct vas_bounds *bounds = &target->space->bounds;

	(void)pieces; /* read again: the check before has mapped and unmapped */
	read_maps(target, &now);
	return mappings_agree(&now, bounds->high_max) &&
	       gaps_agree(&now, bounds->min, bounds->high_max);
}

static bool on_foreign_map(struct model_target *target, uint64_t start, uint64_t size, int prot)
{
	long got = syscall(SYS_mmap, start, size, prot,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	(void)target;
	if (got == -1)
		return false;
	if ((uint64_t)got != start) { /* a kernel that takes it for a hint */
		syscall(SYS_munmap, got, size);
		return false;
	}
	return true;
}

static bool on_foreign_unmap(struct model_target *target, uint64_t start, uint64_t size)
{
	(void)target;
	return munmap((void *)(uintptr_t)start, size) == 0;
}

static bool make(struct model_target *target, const void *setup)
{
	struct vas_space *space;

	VAS_OPTS(vas_layout_opts, opts);
	opts.flags = VAS_LAYOUT_RAW_GAPS | VAS_LAYOUT_HIGH_WINDOW;
	if (vas_space_default(&space) || vas_layout_open(&opts, &layout))
		return false;
	space->random = 1; /* the same choices when a list of operations is run again */
	*target = (struct model_target){
		.space = space,
		.page = space->sys->page_size,
		.arena_start = 1ull << 45, /* clear of sanitizers' shadows */
		.arena_size = 6144 * space->sys->page_size,
		.live_max = 60,
		.looks = true,
		.crowded = true,
		.accessible = true,
		.high = *(const bool *)setup,
		.map_limit = UINT64_MAX,
		.address_limit = UINT64_MAX,
		.reserve = on_reserve,
		.commit = on_commit,
		.release = on_release,
		.check = on_check,
		.view = read_maps,
		.gaps = on_gaps,
		.foreign_map = on_foreign_map,
		.foreign_unmap = on_foreign_unmap,
	};
	return true;
}

int main(void)
{
	static const bool plain = false, high = true;
	uint64_t seed = tap_seed(), count;

	tap_plan(0);
	count = model_run("real kernel", make, &plain, tap_scaled(1000000),
			  (double)tap_scaled(18000) / 1000, vas_mix64(seed));
	count += model_run("real kernel, high window", make, &high, tap_scaled(250000),
			   (double)tap_scaled(5000) / 1000, vas_mix64(seed + 1));
	tap_figure("operations", (double)count, "operations");
	return tap_done();
}
