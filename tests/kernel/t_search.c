/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 6 */
/*
 * The search on the real kernel: random layouts in a window of this process, every policy, against a choice
 * from one reading of the text; then what near costs, as figures. Another thread maps elsewhere meanwhile.
 */
#include "layout/search.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/random.h"
#include "sys/probe.h"
#include "tap/tap.h"

#define MIB	 (1ull << 20)
#define PAGES	 2000u
#define LAYOUTS	 60u
#define REQUESTS 60u

static struct vas_sys *sys;
static struct vas_probes probes;
static struct vas_search_memory memory;
static struct vas_bounds bounds;
static struct vas_request request;
static struct vas_search_result result;
static uint64_t base, page, state;
static bool stop;

static uint64_t below(uint64_t bound)
{
	return vas_random_below(&state, bound);
}

/* Maps over what is reserved, so that nobody else's memory is touched. */
static void map_pages(uint64_t first, uint64_t pages, int prot)
{
	if (mmap((void *)(uintptr_t)(base + first * page), pages * page, prot,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
		tap_bail("mmap: %m");
}

/* All of the window is ours and mapped; then holes are cut. Alternating protections keep mappings apart. */
static void make_layout(void)
{
	uint64_t most = 1 + below(60), hole_most = 1 + below(40);
	uint64_t at = 0, sparse = below(4);

	while (at < PAGES) {
		uint64_t length = 1 + below(most);

		if (length > PAGES - at)
			length = PAGES - at;
		map_pages(at, length, at % 3 == 0 ? PROT_READ : PROT_NONE);
		at += length;
	}
	for (at = below(200); at < PAGES; at += 1 + below(sparse ? 60 : 600)) {
		uint64_t length = 1 + below(hole_most);

		if (length > PAGES - at)
			length = PAGES - at;
		munmap((void *)(uintptr_t)(base + at * page), length * page);
		at += length;
	}
}

/* Puts all of the window back into our hands, hole or not. */
static void end_layout(void)
{
	for (uint64_t at = 0; at < PAGES; at++) {
		uint64_t address = base + at * page;
		int64_t got = sys->map(
			sys, address, page, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

		if (got != (int64_t)address && got != -EEXIST)
			tap_bail("the window was taken by somebody else");
	}
}

static void make_request(void)
{
	memset(&request, 0, sizeof(request));
	request.page = page;
	request.granule = page;
	request.size = page * (1 + below(below(2) ? 5 : 50));
	request.min_size = request.size;
	request.alignment = page * (1 + below(4));
	request.phase = page * below(request.alignment / page);
	request.start = base + page * below(PAGES / 4);
	request.end = base + page * (PAGES - below(PAGES / 4));
	request.place = (enum vas_place)below(5);
	request.side = (enum vas_side)below(3);
	request.address = base + below(PAGES * page);
	request.key = below(UINT64_MAX);
}

/* The choice from one reading of the text. */
static bool read_choice(struct vas_gap_choice *choice)
{
	uint64_t position = request.start;
	struct vas_mapping mapping;
	struct vas_reader reader;
	char buffer[8192];
	int got;

	if (vas_reader_open_process(&reader, sys, 0, buffer, sizeof(buffer)))
		return false;
	vas_gap_choice_begin(choice, &request);
	while ((got = vas_reader_next(&reader, &mapping)) == 1 && mapping.start < request.end) {
		if (mapping.end <= position)
			continue;
		if (mapping.start > position)
			(void)vas_gap_choice_show(choice, position, mapping.start);
		position = mapping.end;
	}
	vas_reader_close(&reader);
	if (position < request.end)
		(void)vas_gap_choice_show(choice, position, request.end);
	return got >= 0;
}

static int search(void)
{
	struct vas_search by = {
		.sys = sys, .probes = &probes, .memory = &memory, .bounds = &bounds
	};

	return vas_search_run(&by, &request, &result);
}

static bool agrees(void)
{
	struct vas_gap_choice choice;
	int err = search();

	if (err || !read_choice(&choice) || result.found != choice.found)
		return false;
	if (!result.found || result.address == choice.address)
		return true;
	/* Two places may be equally near. */
	return request.place == VAS_PLACE_NEAR &&
	       vas_request_distance(request.address, result.address, request.size) ==
		       vas_request_distance(request.address, choice.address, request.size);
}

static void *disturb(void *arg)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		void *memory_elsewhere =
			mmap(NULL, 16 * page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		munmap(memory_elsewhere, 8 * page);
		munmap((char *)memory_elsewhere + 8 * page, 8 * page);
	}
	return arg;
}

static void test_agreement(void)
{
	uint64_t layouts = tap_scaled(LAYOUTS), wrong = 0;
	pthread_t thread;

	if (pthread_create(&thread, NULL, disturb, NULL))
		tap_bail("no thread");
	for (uint64_t n = 0; n < layouts && wrong < 3; n++) {
		make_layout();
		for (unsigned int i = 0; i < REQUESTS && wrong < 3; i++) {
			memory.mappings = (uint32_t)below(3) * 50;
			make_request();
			if (agrees())
				continue;
			wrong++;
			tap_diag("layout %" PRIu64 " request %u place %d side %d: got %d %" PRIx64,
				 n, i, (int)request.place, (int)request.side, result.found,
				 result.address);
		}
		end_layout();
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	ok(wrong == 0, "%" PRIu64 " searches agree with a reading", layouts * REQUESTS);
}

static double microseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* The least of some batches: what it costs when nothing else runs. */
static void figure(const char *name)
{
	double least = 1e9;

	for (int batch = 0; batch < 30; batch++) {
		double before = microseconds();

		for (int i = 0; i < 10; i++)
			(void)search();
		before = (microseconds() - before) / 10;
		least = before < least ? before : least;
	}
	tap_figure(name, least, "us");
}

/* 2 GiB on both sides of an anchor, filled by 100 mappings. */
static void test_near(void)
{
	uint64_t reach = 2048 * MIB, piece = 41 * MIB, anchor;
	int64_t got = sys->map(sys, 0, 2 * reach, PROT_NONE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (got < 0) {
		tap_skip(3, "address-space", "4 GiB of addresses are not to be had");
		return;
	}
	base = (uint64_t)got;
	anchor = base + reach;
	for (uint64_t at = 0; at < 2 * reach; at += 2 * piece)
		mprotect((void *)(uintptr_t)(base + at), at + piece < 2 * reach ? piece : page,
			 PROT_READ);
	request = (struct vas_request){
		.size = 4 * MIB,
		.min_size = 4 * MIB,
		.granule = page,
		.alignment = page,
		.page = page,
		.start = base,
		.end = base + 2 * reach,
		.place = VAS_PLACE_NEAR,
		.address = anchor,
		.reach = reach,
	};
	is_err(search(), 0, "near, in a full window");
	ok(!result.found && result.queries == 0, "there is none");
	figure("near, proof that there is none");
	munmap((void *)(uintptr_t)(anchor + 1229 * MIB), 4 * MIB);
	ok(search() == 0 && result.found && result.address == anchor + 1229 * MIB,
	   "one hole is found");
	figure("near, one hole among 100 mappings");
	munmap((void *)(uintptr_t)base, 2 * reach);
}

int main(void)
{
	int64_t got;

	tap_plan(4);
	sys = vas_sys_real();
	page = sys->page_size;
	state = tap_seed();
	if (vas_bounds_find(sys, &probes, &bounds))
		tap_bail("no bounds");
	got = sys->map(sys, 0, PAGES * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		       -1, 0);
	if (got < 0)
		tap_bail("no window");
	base = (uint64_t)got;
	/* Where the kernel puts nothing by itself: cut holes stay ours. */
	munmap((void *)(uintptr_t)base, PAGES * page);
	base = (base >> 40 << 39) + 123 * page;
	if (sys->map(sys, base, PAGES * page, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1,
		     0) != (int64_t)base)
		tap_skip_all("noreplace", "no quiet window can be claimed");
	test_agreement();
	munmap((void *)(uintptr_t)base, PAGES * page);
	test_near();
	return tap_done();
}
