/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: noasan */
/* budget: 15 */
/*
 * Freeing at vm.max_map_count: the table of docs/limits.md, a point per cell.
 *
 * Each kind of memory in a process of its own, once with the library's spare
 * mappings and once without. The process lays out four mapped ranges, of which the first,
 * the middle and the last piece and the whole will be freed, and three
 * reservations that touch; it uses mappings up to the limit, frees, and looks:
 * at the state it was told, whether the bytes are back, whether an access
 * faults. Then the limit is lifted, and one call must bring everything to GONE.
 *
 * Not under sanitizers, which need mappings of their own at the limit as well.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "support/driver_buffer.h"
#include "support/huge_pool.h"
#include "support/map_limit.h"
#include "sys/definitions.h"
#include "sys/environment.h"
#include "tap/tap.h"

enum position { FIRST, MIDDLE, LAST, WHOLE, POSITIONS };

static const char *const position_names[] = { "first piece", "middle piece", "last piece", "whole" };
static const char *const state_names[] = { "GONE", "GUARDED", "EMPTIED", "HELD" };

/* How bytes that were given back show. */
enum proof { BY_RESIDENT, BY_OBJECT, BY_POOL, BY_NOTHING };

struct kind {
	const char *name;
	int (*open)(void); /* the object; NULL = anonymous memory */
	uint32_t flags; /* of the commit */
	bool locked;
	bool driver;
	uint64_t unit; /* bytes; 0 = 1 MiB. A range has four, or all of them for a driver */
	enum proof proof;
	/* Without spare mappings: what the middle piece comes to, with and without guards for it. */
	enum vas_retired guards, no_guards;
	const char *probe; /* which guards it takes; NULL = none do */
};

static int open_memfd(void)
{
	return memfd_create("limit", MFD_CLOEXEC);
}

static int open_huge(void)
{
	return memfd_create("limit", MFD_CLOEXEC | MFD_HUGETLB);
}

/* A file on whatever holds the working directory, or /var/tmp. */
static int open_file(void)
{
	int fd = open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	return fd >= 0 ? fd : open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

static const struct kind kinds[] = {
	{ "private anonymous", NULL, 0, false, false, 0, BY_RESIDENT, VAS_RETIRED_GUARDED,
	  VAS_RETIRED_EMPTIED, "guard" },
	{ "memfd", open_memfd, VAS_COMMIT_SHARED | VAS_COMMIT_PUNCH, false, false, 0, BY_OBJECT,
	  VAS_RETIRED_GUARDED, VAS_RETIRED_EMPTIED, "guard_object" },
	{ "file", open_file, VAS_COMMIT_SHARED | VAS_COMMIT_PUNCH, false, false, 0, BY_OBJECT,
	  VAS_RETIRED_GUARDED, VAS_RETIRED_EMPTIED, "guard_object" },
	{ "hugetlb, shared", open_huge, VAS_COMMIT_SHARED | VAS_COMMIT_PUNCH, false, false,
	  HUGE_PAGE, BY_POOL, VAS_RETIRED_EMPTIED, VAS_RETIRED_EMPTIED, NULL },
	{ "hugetlb, private", open_huge, VAS_COMMIT_PRIVATE, false, false, HUGE_PAGE, BY_POOL,
	  VAS_RETIRED_EMPTIED, VAS_RETIRED_EMPTIED, NULL },
	{ "mlocked", NULL, 0, true, false, 0, BY_RESIDENT, VAS_RETIRED_EMPTIED,
	  VAS_RETIRED_EMPTIED, NULL },
	{ "driver", driver_buffer_open, VAS_COMMIT_SHARED | VAS_COMMIT_WHOLE, false, true, 0, BY_NOTHING,
	  VAS_RETIRED_GONE, VAS_RETIRED_GONE, NULL },
};

#define PIECES 4u /* of a range */
#define GAP    (4ull << 20) /* between ranges */

struct cell {
	const struct kind *kind;
	bool ballast;
};

struct field {
	const struct kind *kind;
	bool ballast;
	uint64_t unit, range; /* bytes */
	struct vas_span span;
	struct vas_span ranges[POSITIONS];
	int fd; /* one object for all; -1 anonymous */
	int driver[POSITIONS];
	struct vas_span row[3];
	struct map_limit limit;
	int pipe_ends[2];
	enum vas_retired states[POSITIONS];
};

/* Whether the kernel can read there: asked of the kernel, so that a fault is no signal. */
static bool is_readable(const struct field *field, uint64_t address)
{
	char byte;

	if (write(field->pipe_ends[1], (void *)(uintptr_t)address, 1) != 1)
		return false;
	return read(field->pipe_ends[0], &byte, 1) == 1;
}

static uint64_t resident_bytes(void)
{
	char text[128] = "";
	uint64_t total = 0, resident = 0;
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		tap_bail("statm cannot be read");
	close(fd);
	sscanf(text, "%" SCNu64 " %" SCNu64, &total, &resident);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Bytes in use, as the kind shows them. */
static uint64_t bytes_used(const struct field *field)
{
	struct stat status;

	switch (field->kind->proof) {
	case BY_RESIDENT:
		return resident_bytes();
	case BY_OBJECT:
		return fstat(field->fd, &status) ? 0 : (uint64_t)status.st_blocks * 512;
	case BY_POOL:
		return (1u << 20) * HUGE_PAGE - huge_pool_free() * HUGE_PAGE;
	default:
		return 0;
	}
}

static bool probe_says(const char *name)
{
	struct vas_probe_info info = { .size = sizeof(info) };

	if (!name)
		return false;
	for (size_t i = 0; vas_probe_get(i, &info) == 0; i++)
		if (strcmp(info.name, name) == 0)
			return info.state == VAS_PROBE_YES;
	return false;
}

/* The piece of a range that this position frees. */
static struct vas_span piece_of(const struct field *field, enum position position)
{
	struct vas_span range = field->ranges[position];

	switch (position) {
	case FIRST:
		return (struct vas_span){ range.start, field->unit };
	case MIDDLE:
		return (struct vas_span){ range.start + field->unit, field->unit };
	case LAST:
		return (struct vas_span){ range.start + range.size - field->unit, field->unit };
	default:
		return range;
	}
}

static bool commit_range(struct field *field, enum position position)
{
	struct vas_span range = field->ranges[position];
	int err;

	VAS_OPTS(vas_commit_opts, opts);
	opts.flags = field->kind->flags;
	opts.fd = field->fd;
	opts.offset = field->fd >= 0 ? position * field->range : 0;
	if (field->kind->driver)
		opts.fd = field->driver[position] = driver_buffer_open();
	err = vas_commit(vas_span_pointer(range), range.size, &opts);
	if (!is_err(err, 0, "%s: committed", position_names[position]))
		return false;
	if (!field->kind->driver)
		memset(vas_span_pointer(range), 0x5a, range.size);
	return !field->kind->locked || ok(mlock(vas_span_pointer(range), range.size) == 0, "locked");
}

/* Three reservations that touch, so that the kernel sees one mapping. */
static bool reserve_row(struct field *field)
{
	struct vas_span all;

	VAS_OPTS(vas_reserve_opts, opts);
	opts.place = VAS_PLACE_EXACT;
	if (vas_reserve(3 * GAP, NULL, &all) || vas_release(vas_span_pointer(all), NULL))
		return false;
	for (unsigned i = 0; i < 3; i++) {
		opts.address = all.start + i * GAP;
		if (vas_reserve(GAP, &opts, &field->row[i]))
			return false;
	}
	return true;
}

static bool lay_out(struct field *field)
{
	uint64_t stride;

	VAS_OPTS(vas_reserve_opts, opts);
	opts.alignment = HUGE_PAGE;
	field->unit = field->kind->unit ? field->kind->unit : 1ull << 20;
	field->range = PIECES * field->unit;
	if (field->kind->driver) {
		field->unit = (uint64_t)sysconf(_SC_PAGESIZE);
		field->range = 9 * field->unit;
	}
	stride = field->range / HUGE_PAGE * HUGE_PAGE + GAP;
	field->fd = field->kind->open && !field->kind->driver ? field->kind->open() : -1;
	if (field->fd >= 0 && ftruncate(field->fd, (off_t)(POSITIONS * field->range)))
		return false;
	if (!is_err(vas_reserve(POSITIONS * stride + GAP, &opts, &field->span), 0, "reserved"))
		return false;
	for (unsigned i = 0; i < POSITIONS; i++) {
		field->ranges[i].start = field->span.start + HUGE_PAGE + i * stride;
		field->ranges[i].size = field->range;
		if (!commit_range(field, (enum position)i))
			return false;
	}
	return ok(reserve_row(field), "a row of reservations");
}

static enum vas_retired expected_state(const struct field *field, enum position position)
{
	if (field->ballast || position != MIDDLE)
		return VAS_RETIRED_GONE;
	return probe_says(field->kind->probe) ? field->kind->guards : field->kind->no_guards;
}

static void free_piece(struct field *field, enum position position)
{
	struct vas_span piece = piece_of(field, position);
	enum vas_retired expected = expected_state(field, position), state = VAS_RETIRED_HELD;
	uint64_t before, after, last = piece.start + piece.size - 1;
	const char *name = position_names[position];

	if (field->kind->driver && position != WHOLE) {
		is_err(vas_decommit(vas_span_pointer(piece), piece.size, &state), -EINVAL,
		       "%s: refused, a driver's memory goes whole", name);
		ok(is_readable(field, piece.start), "%s: and is as it was", name);
		return;
	}
	before = bytes_used(field);
	is_err(vas_decommit(vas_span_pointer(piece), piece.size, &state), 0, "%s: freed", name);
	after = bytes_used(field);
	field->states[position] = state;
	is_str(state_names[state], state_names[expected], "%s: state", name);
	/* Resident pages are counted roughly by the kernel: 64 a thread, or some a processor, are summed up late. */
	if (field->kind->proof != BY_NOTHING)
		ok(before - after >= piece.size / 2 && before > after,
		   "%s: %" PRIu64 " KiB are back", name, (before - after) >> 10);
	if (state <= VAS_RETIRED_GUARDED)
		ok(!is_readable(field, piece.start) && !is_readable(field, last),
		   "%s: an access faults", name);
}

static void release_row(struct field *field)
{
	enum vas_retired state = VAS_RETIRED_HELD;

	is_err(vas_release(vas_span_pointer(field->row[1]), &state), 0, "a reservation between two");
	is_str(state_names[state], state_names[field->ballast ? VAS_RETIRED_GONE : VAS_RETIRED_GUARDED],
	       "a reservation between two: state");
	if (!field->ballast)
		ok(!is_readable(field, field->row[1].start), "a reservation between two: faults");
}

/* With mappings to be had again, one call brings everything to GONE. */
static void lift(struct field *field)
{
	struct vas_stats stats = { .size = sizeof(stats) };
	struct vas_pressure pressure = { .size = sizeof(pressure) };
	uint64_t where = 0, reclaimed = 0;

	map_limit_empty(&field->limit);
	is_err(vas_reclaim(UINT64_MAX, &reclaimed), 0, "reclaimed");
	is_err(vas_pressure_get(&pressure), 0, "pressure told");
	is_u64(pressure.unretired, 0, "nothing is left short of GONE");
	is_err(vas_stats_get(&stats), 0, "statistics");
	is_u64(stats.held, 0, "no span is held");
	is_err(vas_sync_check(&where), 0, "the books agree with the kernel");
	for (unsigned i = 0; i < POSITIONS; i++) {
		struct vas_span piece = piece_of(field, (enum position)i);

		if (!field->kind->driver || i == WHOLE)
			ok(!is_readable(field, piece.start), "%s: inaccessible", position_names[i]);
	}
}

static void finish(struct field *field)
{
	enum vas_retired state;

	is_err(vas_release(vas_span_pointer(field->span), &state), 0, "released");
	is_err(vas_release(vas_span_pointer(field->row[0]), &state), 0, "released");
	is_err(vas_release(vas_span_pointer(field->row[2]), &state), 0, "released");
	for (unsigned i = 0; field->kind->driver && i < POSITIONS; i++)
		close(field->driver[i]);
	if (field->fd >= 0)
		close(field->fd);
	close(field->pipe_ends[0]);
	close(field->pipe_ends[1]);
}

static void run_cell(void *argument)
{
	const struct cell *cell = argument;
	struct field field = { .kind = cell->kind, .ballast = cell->ballast };

	setenv("VASPACE_BALLAST", cell->ballast ? "16" : "0", 1);
	vas_environment_reload();
	tap_baseline();
	if (pipe2(field.pipe_ends, O_CLOEXEC))
		tap_bail("no pipe");
	/* Probes are tried while there are mappings for them; the statistics are opened once. */
	(void)probe_says("guard");
	if (!lay_out(&field))
		return;
	tap_ignore_leaks(TAP_LEAK_VMAS);
	if (!ok(map_limit_fill(&field.limit), "at the limit"))
		return;
	release_row(&field);
	for (unsigned i = 0; i < POSITIONS; i++) {
		/* Nobody else can have used the spare mappings up, but this cell is to start at the limit. */
		ok(field.ballast || map_limit_met(&field.limit), "still at the limit");
		free_piece(&field, (enum position)i);
	}
	lift(&field);
	finish(&field);
}

/* Whether this kind of memory can be had here at all. */
static bool kind_is_here(const struct kind *kind)
{
	int fd;

	if (!kind->open)
		return true;
	fd = kind->open();
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

int main(void)
{
	bool pool, reachable = map_limit_reachable();
	char name[80];

	tap_plan(0);
	if (!reachable)
		tap_skip_all("many-mappings", "vm.max_map_count is too high to be met");
	pool = huge_pool_take(3 * POSITIONS * PIECES);
	for (size_t i = 0; i < 2 * sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct cell cell = { &kinds[i / 2], i % 2 == 0 };

		if (!pool && cell.kind->proof == BY_POOL) {
			tap_skip(1, "no-huge-pages", "the pool of huge pages cannot be enlarged");
			continue;
		}
		if (!kind_is_here(cell.kind)) {
			tap_skip(1, cell.kind->driver ? "no-perf-events" : "no-object",
				 "%s is not to be had here", cell.kind->name);
			continue;
		}
		snprintf(name, sizeof(name), "%s, %s", cell.kind->name,
			 cell.ballast ? "with spare mappings" : "without");
		tap_case(name, run_cell, &cell, 60);
	}
	return tap_done();
}
