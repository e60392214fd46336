/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* budget: 6 */
/*
 * An arena with several views, of each kind that can have them, against a model: its bytes are an array, each view is a window on it with a protection. Random
 * growth, shrinking, views that come and go, protections and writes through any view; after each step every view must show the
 * bytes of the model below the size, fault beyond, and take writes where its protection says so. What may be accessed is
 * asked of the kernel, which answers with an errno where the process would get a signal.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "base/random.h"
#include "tap/tap.h"

#define PAGES 48u
#define VIEWS 6u
#define STEPS 700u

static uint64_t page;
static uint64_t random_state;

struct window {
	struct vas_view *view; /* NULL = closed */
	unsigned char *start;
	uint64_t offset, extent; /* pages */
	int prot;
};

struct how {
	enum vas_arena_kind kind;
	enum vas_tail tail;
	const char *name;
};

static struct {
	struct vas_arena *arena;
	enum vas_tail tail;
	enum vas_arena_kind kind;
	uint64_t size; /* pages */
	uint64_t cap;
	unsigned char bytes[PAGES]; /* at each page's start, and at its end */
	struct window windows[VIEWS]; /* the first is the arena's own */
} model;

static uint64_t below(uint64_t limit)
{
	return vas_random_below(&random_state, limit);
}

static bool reads(const unsigned char *at, unsigned char *byte)
{
	struct iovec here = { byte, 1 }, there = { (void *)(uintptr_t)at, 1 };

	return process_vm_readv(getpid(), &here, 1, &there, 1, 0) == 1;
}

static bool writes(unsigned char *at, unsigned char byte)
{
	struct iovec here = { &byte, 1 }, there = { at, 1 };

	return process_vm_writev(getpid(), &here, 1, &there, 1, 0) == 1;
}

/* What a view has of the arena now, in pages. */
static uint64_t window_bytes(const struct window *window)
{
	uint64_t there = model.size > window->offset ? model.size - window->offset : 0;

	return there < window->extent ? there : window->extent;
}

static bool page_is_right(const struct window *window, uint64_t i)
{
	bool there = i < window_bytes(window) && window->prot;
	unsigned char first = 0, last = 0, want;

	if (reads(window->start + i * page, &first) != there ||
	    reads(window->start + (i + 1) * page - 1, &last) != there)
		return false;
	want = model.bytes[window->offset + i];
	return !there || (first == want && last == want);
}

static bool window_is_right(const struct window *window)
{
	struct vas_view_info info = { .size = sizeof(info) };
	uint64_t i = below(window->extent);

	if (vas_view_get(window->view, &info) || info.bytes != window_bytes(window) * page ||
	    info.prot != window->prot || info.offset != window->offset * page)
		return false;
	for (uint64_t at = 0; at < window->extent; at++)
		if (!page_is_right(window, at))
			return false;
	return writes(window->start + i * page, model.bytes[window->offset + i]) ==
	       (i < window_bytes(window) && (window->prot & PROT_WRITE));
}

static bool all_is_right(void)
{
	struct vas_stats stats = { .size = sizeof(stats) };

	if (vas_arena_size(model.arena) != model.size * page || vas_stats_get(&stats) ||
	    stats.committed != model.size * page)
		return false;
	for (unsigned int i = 0; i < VIEWS; i++)
		if (model.windows[i].view && !window_is_right(&model.windows[i]))
			return false;
	return true;
}

static bool step_size(void)
{
	uint64_t pages = below(PAGES + 3), least = below(4) ? 0 : below(pages + 1), now = 0;
	int want = 0, err;

	if (pages <= model.size && below(2)) {
		for (uint64_t i = pages; i < model.size; i++)
			model.bytes[i] = 0;
		model.size = pages;
		return vas_arena_shrink(model.arena, pages * page - (pages ? below(page) : 0)) == 0;
	}
	err = vas_arena_grow(model.arena, pages * page, least * page, &now);
	least = least ? least : pages;
	if (model.size < least && least > PAGES)
		want = -ERANGE;
	else if (model.size < least && least > model.cap)
		want = -EDQUOT;
	else if (least > PAGES || least > model.cap)
		want = err; /* what is there is enough, or it is refused: both are told */
	if (!err && pages > model.size)
		model.size = pages < model.cap ? pages : model.cap;
	return err == want && (err || now == model.size * page);
}

static bool step_view(struct window *window)
{
	struct vas_view_info info = { .size = sizeof(info) };
	static const int prots[] = { PROT_READ, PROT_READ | PROT_WRITE, 0 };

	VAS_OPTS(vas_view_opts, opts);
	if (window->view) {
		struct vas_view *view = window->view;

		if (window == model.windows)
			return vas_view_close(view, NULL) == -EINVAL;
		window->view = NULL;
		return vas_view_close(view, NULL) == 0;
	}
	window->offset = below(PAGES);
	window->extent = 1 + below(PAGES - window->offset);
	opts.offset = window->offset * page;
	opts.extent = window->extent * page;
	opts.prot = prots[below(3)];
	window->prot = opts.prot ? opts.prot : PROT_READ | PROT_WRITE;
	if (vas_view_open(model.arena, &opts, &window->view) ||
	    vas_view_get(window->view, &info))
		return false;
	window->start = vas_span_pointer(info.span);
	return true;
}

static bool step_protect(struct window *window)
{
	static const int prots[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE };

	if (!window->view)
		return true;
	window->prot = prots[below(3)];
	return vas_view_protect(window->view, window->prot) == 0;
}

static bool step_write(const struct window *window)
{
	uint64_t there = window->view ? window_bytes(window) : 0, i;
	unsigned char byte = (unsigned char)(1 + below(255));

	if (there == 0 || !(window->prot & PROT_WRITE))
		return true;
	i = below(there);
	window->start[i * page] = window->start[(i + 1) * page - 1] = byte;
	model.bytes[window->offset + i] = byte;
	return true;
}

static bool step(void)
{
	struct window *window = &model.windows[below(VIEWS)];

	switch (below(6)) {
	case 0:
	case 1:
		return step_size();
	case 2:
		return step_view(window);
	case 3:
		return step_protect(window);
	default:
		return step_write(window);
	}
}

/* A few pages that are there already, and others before them. */
static void open_object(struct vas_arena_opts *opts)
{
	char path[] = "/tmp/vaspace-model-XXXXXX";
	bool file = model.kind == VAS_ARENA_FILE;

	opts->fd = file ? mkostemp(path, O_CLOEXEC) : memfd_create("model", MFD_CLOEXEC);
	opts->offset = 3 * page;
	model.size = 5;
	if (opts->fd < 0 || (file && unlink(path)) || ftruncate(opts->fd, (off_t)(8 * page)))
		tap_bail("no object");
	for (uint64_t i = 0; i < model.size; i++) {
		unsigned char byte = model.bytes[i] = (unsigned char)(i + 100);

		if (pwrite(opts->fd, &byte, 1, (off_t)((3 + i) * page)) != 1 ||
		    pwrite(opts->fd, &byte, 1, (off_t)((4 + i) * page - 1)) != 1)
			tap_bail("nothing can be written");
	}
}

static void run(void *context)
{
	const struct how *how = context;
	struct vas_view_info info = { .size = sizeof(info) };

	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	model.tail = how->tail;
	model.kind = how->kind;
	random_state = tap_seed() + (uint64_t)model.tail + model.kind * 8;
	model.cap = PAGES - 4;
	VAS_OPTS(vas_arena_opts, opts);
	opts.tail = model.tail;
	opts.kind = model.kind;
	if (model.kind != VAS_ARENA_MEMFD)
		open_object(&opts);
	opts.cap = model.cap * page;
	if (vas_arena_create(PAGES * page, &opts, &model.arena))
		tap_bail("no arena");
	if (model.kind != VAS_ARENA_MEMFD)
		close(opts.fd);
	model.windows[0] = (struct window){ .view = vas_view_first(model.arena), .extent = PAGES,
					    .prot = PROT_READ | PROT_WRITE };
	if (vas_view_get(model.windows[0].view, &info))
		tap_bail("the view tells nothing");
	model.windows[0].start = vas_span_pointer(info.span);
	for (unsigned int i = 0; i < STEPS; i++) {
		if (!step() || !all_is_right()) {
			ok(false, "step %u is as the model says", i);
			return;
		}
		if (i % 64 == 0 && !is_err(vas_sync_check(NULL), 0, "step %u: the books", i))
			return;
	}
	ok(true, "every step is as the model says");
	is_err(vas_arena_destroy(model.arena, NULL), 0, "destroyed");
	is_err(vas_sync_check(NULL), 0, "nothing is left");
}

static bool has_guards(void)
{
	struct vas_probe_info probe = { .size = sizeof(probe) };

	for (size_t i = 0; !vas_probe_get(i, &probe); i++)
		if (!strcmp(probe.name, "guard_object"))
			return probe.state == VAS_PROBE_YES;
	return false;
}

int main(void)
{
	static struct how hows[] = {
		{ VAS_ARENA_MEMFD, VAS_TAIL_BARE, "with BARE tails" },
		{ VAS_ARENA_MEMFD, VAS_TAIL_NONE, "with NONE tails" },
		{ VAS_ARENA_MEMFD, VAS_TAIL_GUARD, "with GUARD tails" },
		{ VAS_ARENA_FILE, VAS_TAIL_BARE, "a file" },
		{ VAS_ARENA_ADOPTED, VAS_TAIL_NONE, "an object of others" },
	};

	tap_plan(0);
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	for (size_t i = 0; i < sizeof(hows) / sizeof(hows[0]); i++)
		if (hows[i].tail != VAS_TAIL_GUARD || has_guards())
			tap_case(hows[i].name, run, &hows[i], 60);
	return tap_done();
}
