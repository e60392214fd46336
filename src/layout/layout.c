/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One reading of a process's mappings, or of a saved file.
 *
 * What for: everything that vaspace/layout.h offers, without the checks and the
 * reports of its edge.
 *
 * Strategy: the struct and its buffer are one mapping of their own, made before
 * the file is opened, so that nothing is mapped from then on. Mappings come from
 * the reader; gaps from the same reader through gaps.c, which tells what ends at
 * each mapping. For this process the kernel is asked for the break, and the
 * stack's top is known. For others and for files a first pass looks for [heap]
 * and [stack], since a margin may reach below mappings that come before.
 *
 * Concurrency: one thread at a time. The process goes on changing.
 */
#include "layout/layout.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/number.h"
#include "layout/search.h"
#include "sys/environment.h"
#include "sys/process.h"
#include "sys/strays.h"

static bool is_self(const struct vas_layout *layout)
{
	return layout->opts.source == VAS_LAYOUT_PROCESS && layout->opts.pid == 0;
}

static int map_layout(struct vas_sys *sys, uint64_t buffer_size, struct vas_layout **layout)
{
	uint64_t size;
	int64_t got;

	if (!vas_add(buffer_size, sizeof(**layout), &size) ||
	    !vas_align_up(size, sys->page_size, &size))
		return -ENOMEM;
	got = VAS_CALL(sys, map, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);
	if (got == -EPERM || got == -ENOSYS)
		return (int)got;
	if (got < 0)
		return -ENOMEM;
	*layout = (struct vas_layout *)(uintptr_t)got;
	(*layout)->sys = sys;
	(*layout)->mapped_size = size;
	return 0;
}

/* Opening a directory succeeds; only reading it tells. */
static int refuse_directory(struct vas_layout *layout)
{
	char nothing;

	if (VAS_CALL(layout->sys, read, layout->reader.fd, &nothing, 0) != -EISDIR)
		return 0;
	vas_reader_close(&layout->reader);
	return -EISDIR;
}

static int open_reader(struct vas_layout *layout, const struct vas_layout_opts *opts)
{
	char *buffer = (char *)(layout + 1);
	size_t capacity = layout->mapped_size - sizeof(*layout);
	int err;

	if (opts->source == VAS_LAYOUT_PROCESS)
		return vas_reader_open_process(&layout->reader, layout->sys, opts->pid, buffer,
					       capacity);
	err = vas_reader_open(&layout->reader, layout->sys, opts->path, buffer, capacity);
	return err ? err : refuse_directory(layout);
}

int vas_layout_make(struct vas_sys *sys, const struct vas_layout_opts *opts,
		    struct vas_layout **layout, bool *books)
{
	struct vas_layout *made = NULL;
	int err;

	err = map_layout(sys, opts->buffer_size ? opts->buffer_size : VAS_LAYOUT_BUFFER, &made);
	*books = err == -ENOMEM;
	if (err)
		return err;
	made->opts = *opts;
	made->opts.path = NULL;
	made->no_query = opts->source != VAS_LAYOUT_PROCESS ||
			 (vas_environment_get()->disabled & (1u << VAS_PROBE_PROCMAP_QUERY));
	made->use = VAS_LAYOUT_FRESH;
	made->process = vas_process_number();
	err = open_reader(made, opts);
	if (err) {
		vas_strays_drop(sys, (uint64_t)(uintptr_t)made, made->mapped_size);
		return err;
	}
	*layout = made;
	return 0;
}

void vas_layout_drop(struct vas_layout *layout)
{
	vas_reader_close(&layout->reader);
	vas_strays_drop(layout->sys, (uint64_t)(uintptr_t)layout, layout->mapped_size);
}

/*
 * In a forked child: the descriptor that it inherited is about its parent. It is opened anew, and the reading
 * with it.
 */
static int follow_fork(struct vas_layout *layout)
{
	uint32_t process = vas_process_number();

	if (__builtin_expect(layout->process == process, 1) || !is_self(layout))
		return 0;
	vas_reader_close(&layout->reader);
	layout->use = VAS_LAYOUT_FRESH;
	layout->mapping_pending = false;
	layout->mappings_end = false;
	if (open_reader(layout, &layout->opts))
		return -EIO;
	layout->process = process;
	return 0;
}

int vas_layout_step(struct vas_layout *layout, struct vas_mapping *mapping)
{
	int err = follow_fork(layout);

	if (err)
		return err;
	if (layout->use == VAS_LAYOUT_FRESH)
		layout->use = VAS_LAYOUT_MAPPINGS;
	return vas_reader_next(&layout->reader, mapping);
}

int vas_layout_restart(struct vas_layout *layout)
{
	int err = follow_fork(layout);

	if (err)
		return err;
	layout->use = VAS_LAYOUT_FRESH;
	layout->mapping_pending = false;
	layout->mappings_end = false;
	return vas_reader_rewind(&layout->reader);
}

/* Nothing more is told until the next restart. */
static void end_reading(struct vas_layout *layout)
{
	layout->use = VAS_LAYOUT_MAPPINGS;
	layout->mapping_pending = false;
	layout->mappings_end = false;
	vas_reader_stop(&layout->reader);
}

/* Where [stack] ends and where the last [heap] ends; 0 = there is none. */
static int find_growing(struct vas_layout *layout, uint64_t *stack_top, uint64_t *brk)
{
	struct vas_mapping mapping;
	int got;

	*stack_top = 0;
	*brk = 0;
	while ((got = vas_reader_next(&layout->reader, &mapping)) == 1) {
		if (mapping.flags & VAS_MAPPING_STACK)
			*stack_top = mapping.end;
		if (mapping.flags & VAS_MAPPING_HEAP)
			*brk = mapping.end;
	}
	return got ? got : vas_reader_rewind(&layout->reader);
}

static int begin_gaps(struct vas_layout *layout, const struct vas_bounds *bounds, uint64_t max)
{
	uint64_t min = bounds->min;
	struct vas_margins margins;
	uint64_t stack_top = 0, brk = 0;
	int err;

	if (layout->reader.last_end > min)
		min = layout->reader.last_end;
	if (layout->opts.flags & VAS_LAYOUT_RAW_GAPS) {
		vas_gaps_begin(&layout->gaps, min, max, NULL, 0);
	} else {
		vas_margins_find(layout->sys, layout->opts.stack_margin, layout->opts.brk_margin,
				 &margins);
		if (is_self(layout)) {
			stack_top = bounds->stack_top;
			brk = vas_bounds_brk(layout->sys);
		} else if (layout->use == VAS_LAYOUT_FRESH) {
			err = find_growing(layout, &stack_top, &brk);
			if (err)
				return err;
		}
		vas_gaps_begin(&layout->gaps, min, max, &margins, brk);
		vas_gaps_know_stack(&layout->gaps, stack_top);
	}
	layout->use = VAS_LAYOUT_GAPS;
	return 0;
}

/* Reads the mapping that ends the next gaps, or learns that there is none. 0 or -errno. */
static int read_mapping(struct vas_layout *layout)
{
	int got = vas_reader_next(&layout->reader, &layout->mapping);

	layout->mapping_pending = got == 1;
	layout->mappings_end = got == 0;
	return got < 0 ? got : 0;
}

static bool show_mapping(struct vas_layout *layout, struct vas_gap *gap)
{
	return vas_gaps_show(&layout->gaps, layout->mapping_pending ? &layout->mapping : NULL, gap);
}

int vas_layout_step_gap(struct vas_layout *layout, const struct vas_bounds *bounds,
			struct vas_gap *gap)
{
	bool high = layout->opts.flags & VAS_LAYOUT_HIGH_WINDOW;
	struct vas_gap next;
	int err = follow_fork(layout);

	if (!err && layout->use != VAS_LAYOUT_GAPS)
		err = begin_gaps(layout, bounds, high ? bounds->high_max : bounds->max);
	while (!err) {
		if (!layout->mapping_pending && !layout->mappings_end)
			err = read_mapping(layout);
		if (err)
			break;
		if (show_mapping(layout, &next)) {
			*gap = next;
			return 1;
		}
		if (layout->mappings_end)
			return 0;
		layout->mapping_pending = false;
	}
	return err;
}

int vas_layout_look(struct vas_layout *layout, uint64_t address, struct vas_mapping *mapping)
{
	struct vas_reader *reader = &layout->reader;
	int err = follow_fork(layout);

	if (err)
		return err;
	end_reading(layout);
	if (!layout->no_query) {
		err = vas_search_query(layout->sys, reader->fd, address, reader->buffer,
				       reader->capacity, mapping);
		if (err == 0 || err == -ENOENT || err == -ESRCH)
			return err;
		layout->no_query = true;
	}
	err = vas_reader_rewind(reader);
	if (!err)
		err = vas_search_lines(reader, address, mapping);
	end_reading(layout);
	return err;
}

/* Whether a mapping lies where an exact request wants to be. */
static bool overlaps(const struct vas_request *request, const struct vas_mapping *mapping)
{
	return request->place == VAS_PLACE_EXACT &&
	       mapping->start < request->address + request->size && mapping->end > request->address;
}

int vas_layout_choose(struct vas_layout *layout, const struct vas_bounds *bounds,
		      struct vas_gap_choice *choice, bool *taken)
{
	const struct vas_request *request = choice->request;
	struct vas_gap gap;
	int err;

	*taken = false;
	err = vas_layout_restart(layout);
	if (!err)
		err = begin_gaps(layout, bounds, bounds->high_max);
	while (!err && !layout->mappings_end) {
		err = read_mapping(layout);
		if (err)
			break;
		if (layout->mapping_pending && overlaps(request, &layout->mapping))
			*taken = true;
		while (show_mapping(layout, &gap))
			(void)vas_gap_choice_show(choice, gap.start, gap.end);
	}
	end_reading(layout);
	return err;
}
