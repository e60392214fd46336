/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/* budget: 5 */
/* Building requests: defaults, and each condition of the errno table with its reason. */
#include "core/placement.h"

#include <errno.h>
#include <string.h>

#include "tap/tap.h"

#define KIB  (1ull << 10)
#define MIB  (1ull << 20)
#define GIB  (1ull << 30)
#define TIB  (1ull << 40)
#define PAGE 4096ull

static const struct vas_placement_host host = {
	.page = PAGE,
	.min = 64 * KIB,
	.max = 128 * TIB - PAGE,
	.high_max = (1ull << 56) - PAGE,
	.seed = 42,
};

static struct vas_reserve_opts opts;
static struct vas_limits limits;
static struct vas_request request;
static enum vas_why why;

static void reset(void)
{
	opts = (struct vas_reserve_opts){ .size = sizeof(opts) };
	limits = (struct vas_limits){ .size = sizeof(limits) };
}

static int build(uint64_t size)
{
	memset(&request, 0x5a, sizeof(request));
	why = VAS_WHY_COUNT;
	return vas_request_build(size, &opts, &limits, &host, &request, &why);
}

static void builds(uint64_t size, const char *name)
{
	is_err(build(size), 0, "%s", name);
	is_str(vas_why_name(why), "none", "%s: nothing to explain", name);
}

static void refuses(uint64_t size, int error, enum vas_why reason, const char *name)
{
	struct vas_request before;

	memset(&before, 0x5a, sizeof(before));
	is_err(build(size), error, "%s", name);
	is_str(vas_why_name(why), vas_why_name(reason), "%s: why", name);
	ok(memcmp(&before, &request, sizeof(request)) == 0, "%s: untouched", name);
}

static void invalid(uint64_t size, const char *name)
{
	refuses(size, EINVAL, VAS_WHY_ARGUMENT, name);
}

static void defaults(void)
{
	is_err(vas_request_build(1, NULL, NULL, &host, &request, &why), 0, "NULL for all");
	ok(request.size == PAGE && request.min_size == PAGE && request.granule == PAGE,
	   "one byte is one page");
	ok(request.start == host.min && request.end == host.max, "the default window");
	ok(request.alignment == PAGE && request.phase == 0, "a page's alignment");
	ok(request.place == VAS_PLACE_ANY && request.key == host.seed && !request.prefer &&
		   !request.strict && request.avoid.count == 0,
	   "anywhere");
	reset();
	builds(2 * MIB - PAGE, "just below 2 MiB");
	is_u64(request.alignment, PAGE, "page");
	builds(2 * MIB - PAGE + 1, "what rounds to 2 MiB");
	is_u64(request.alignment, 2 * MIB, "2 MiB");
	opts.alignment = 1;
	builds(GIB, "an alignment that divides the page");
	is_u64(request.alignment, PAGE, "is the page's");
	opts.alignment = 3 * PAGE;
	builds(GIB, "an alignment that is no power of two");
	is_u64(request.alignment, 3 * PAGE, "is kept");
	opts.alignment = GIB;
	opts.phase = PAGE;
	builds(GIB, "a phase");
	ok(request.alignment == GIB && request.phase == PAGE, "is kept");
	opts.alignment = 0;
	builds(GIB, "a phase of the default alignment");
	ok(request.alignment == 2 * MIB && request.phase == PAGE, "makes it binding");
	invalid(PAGE, "a phase of the page");
	reset();
	opts.flags = VAS_RESERVE_HIGH_WINDOW;
	builds(PAGE, "the high window");
	is_u64(request.end, host.high_max, "is on request only");
	reset();
	opts.place = VAS_PLACE_SCATTER;
	opts.key = 7;
	builds(PAGE, "a key");
	is_u64(request.key, 7, "is the caller's");
}

/* The wish for huge pages gives way; what was asked for does not. */
static void soft_alignment(void)
{
	reset();
	opts.place = VAS_PLACE_EXACT;
	opts.address = GIB + PAGE;
	builds(GIB, "an exact address between huge pages");
	is_u64(request.alignment, PAGE, "is good enough by default");
	opts.place = VAS_PLACE_LOW;
	opts.flags = VAS_RESERVE_PREFER;
	builds(GIB, "a preferred one");
	is_u64(request.alignment, PAGE, "too");
	opts.address = GIB;
	builds(GIB, "a preferred address on a huge page");
	is_u64(request.alignment, 2 * MIB, "keeps the wish");
	reset();
	opts.min = GIB + PAGE;
	opts.max = opts.min + 4 * MIB;
	builds(4 * MIB, "a window that is just large enough");
	is_u64(request.alignment, PAGE, "comes before the wish");
	opts.alignment = 2 * MIB;
	refuses(4 * MIB, ERANGE, VAS_WHY_WINDOW, "not before an explicit alignment");
	reset();
	limits.alignment = 2305843009213693951u; /* a prime: 2^61 - 1 */
	refuses(PAGE, ERANGE, VAS_WHY_LIMITS, "no common multiple with the page");
	reset();
	limits.alignment = 3 * PAGE;
	builds(2 * MIB, "limits' alignment joins the wish");
	is_u64(request.alignment, 6 * MIB, "where there is room");
	opts.min = 7 * MIB;
	opts.max = 11 * MIB;
	builds(2 * MIB, "and is alone where there is none");
	is_u64(request.alignment, 3 * PAGE, "of it");
}

static void joined_alignments(void)
{
	reset();
	limits.alignment = 3 * MIB;
	opts.alignment = 2 * MIB;
	builds(PAGE, "two alignments");
	ok(request.alignment == 6 * MIB && request.phase == 0, "have one multiple");
	opts.phase = MIB;
	builds(PAGE, "with a phase");
	ok(request.alignment == 6 * MIB && request.phase == 3 * MIB, "that both satisfy");
	limits.alignment = 2 * MIB;
	refuses(PAGE, ERANGE, VAS_WHY_LIMITS, "a phase that limits exclude");
	reset();
	limits.alignment = 1ull << 63;
	opts.alignment = 3 * PAGE;
	refuses(PAGE, ERANGE, VAS_WHY_LIMITS, "alignments without a common multiple");
	reset();
	limits.alignment = 100;
	builds(PAGE, "limits' odd alignment");
	is_u64(request.alignment, 25 * PAGE, "is joined with the page");
}

static void malformed(void)
{
	reset();
	invalid(0, "size 0");
	invalid(UINT64_MAX, "a size whose rounding wraps");
	invalid(UINT64_MAX - PAGE + 2, "the smallest such");
	refuses(UINT64_MAX - PAGE + 1, ERANGE, VAS_WHY_WIDTH, "the largest that does not");
	opts.min_size = 2 * PAGE;
	invalid(PAGE, "min_size above size");
	opts.min_size = PAGE;
	builds(PAGE, "min_size of the size itself");
	reset();
	opts.flags = VAS_RESERVE_ALL + 1;
	invalid(PAGE, "an unknown flag");
	reset();
	opts.place = (enum vas_place)(VAS_PLACE_EXACT + 1);
	invalid(PAGE, "an unknown place");
	opts.place = (enum vas_place) - 1;
	invalid(PAGE, "a negative place");
	reset();
	opts.side = (enum vas_side)(VAS_SIDE_ABOVE + 1);
	invalid(PAGE, "an unknown side");
	reset();
	opts.alignment = PAGE + 1;
	invalid(PAGE, "an alignment beside the page");
	opts.alignment = PAGE - 1;
	invalid(PAGE, "one that does not divide it");
	opts.alignment = 2 * PAGE;
	opts.phase = 2 * PAGE;
	invalid(PAGE, "a phase not below the alignment");
	opts.phase = 1;
	invalid(PAGE, "a phase off the page");
	reset();
	opts.place = VAS_PLACE_EXACT;
	opts.address = GIB + 1;
	invalid(PAGE, "an exact address off the page");
	opts.address = GIB;
	opts.alignment = 2 * GIB;
	invalid(PAGE, "an exact address off its alignment");
	opts.alignment = GIB;
	opts.phase = PAGE;
	invalid(PAGE, "an exact address out of phase");
	opts.phase = 0;
	opts.flags = VAS_RESERVE_PREFER;
	invalid(PAGE, "PREFER with EXACT");
	opts.place = VAS_PLACE_NEAR;
	invalid(PAGE, "PREFER with NEAR");
	opts.place = VAS_PLACE_ANY;
	opts.address = GIB + PAGE;
	invalid(PAGE, "a preferred address off its alignment");
	opts.max = opts.min = PAGE;
	invalid(PAGE, "what is malformed is told before what is impossible");
}

static void impossible_windows(void)
{
	reset();
	refuses(128 * TIB, ERANGE, VAS_WHY_WIDTH, "more than there is");
	opts.min = host.max;
	refuses(PAGE, ERANGE, VAS_WHY_WIDTH, "a minimum beyond the default window");
	opts.flags = VAS_RESERVE_HIGH_WINDOW;
	builds(PAGE, "but within the high one");
	opts.min = 0xffff800000000000;
	refuses(PAGE, ERANGE, VAS_WHY_WIDTH, "a minimum in the kernel's half");
	reset();
	limits.min = host.max;
	refuses(PAGE, ERANGE, VAS_WHY_WIDTH, "limits beyond the window");
	reset();
	opts.max = UINT64_MAX;
	builds(PAGE, "a maximum beyond everything");
	is_u64(request.end, host.max, "is no more than the window");
	opts.max = host.min;
	refuses(PAGE, ERANGE, VAS_WHY_WINDOW, "a maximum below the lowest address");
	opts.min = 2 * GIB;
	opts.max = GIB;
	refuses(PAGE, ERANGE, VAS_WHY_WINDOW, "minimum above maximum");
	opts.max = 2 * GIB + PAGE - 1;
	refuses(PAGE, ERANGE, VAS_WHY_WINDOW, "less than a page between them");
	opts.max = 2 * GIB + PAGE;
	builds(PAGE, "just a page between them");
	limits.max = GIB;
	refuses(PAGE, ERANGE, VAS_WHY_WINDOW, "limits below options");
	reset();
	opts.min = GIB + PAGE;
	opts.max = 2 * GIB + MIB;
	opts.alignment = GIB;
	builds(MIB, "one aligned place");
	refuses(MIB + PAGE, ERANGE, VAS_WHY_WINDOW, "that is too small");
}

static void caps_and_granules(void)
{
	reset();
	limits.max_size = GIB;
	refuses(GIB + 1, ERANGE, VAS_WHY_CAP, "above max_size");
	builds(GIB, "at max_size");
	limits.max_total = MIB;
	refuses(GIB, ERANGE, VAS_WHY_CAP, "above max_total");
	limits.max_total = 0;
	limits.granule = 3 * PAGE;
	builds(PAGE, "a granule");
	ok(request.size == 3 * PAGE && request.granule == 3 * PAGE, "rounds the size up");
	limits.granule = 3;
	builds(PAGE, "a granule beside the page");
	is_u64(request.size, 3 * PAGE, "is joined with it");
	limits.granule = 2305843009213693951u;
	refuses(PAGE, ERANGE, VAS_WHY_LIMITS, "a granule without a common multiple with it");
	limits.granule = 1ull << 63;
	limits.max_size = 0;
	refuses(PAGE, ERANGE, VAS_WHY_WIDTH, "a granule larger than the space");
	invalid((1ull << 63) + PAGE, "whose rounding wraps");
}

static void fixed_addresses(void)
{
	static const struct vas_span hole = { 2 * GIB, MIB };

	reset();
	opts.place = VAS_PLACE_EXACT;
	refuses(PAGE, ERANGE, VAS_WHY_MARGIN, "address 0");
	opts.address = host.min - PAGE;
	refuses(PAGE, ERANGE, VAS_WHY_MARGIN, "below the lowest address");
	opts.address = host.min;
	builds(PAGE, "the lowest address");
	opts.address = host.max;
	refuses(PAGE, ERANGE, VAS_WHY_WIDTH, "beyond the window");
	opts.address = host.max - PAGE;
	refuses(2 * PAGE, ERANGE, VAS_WHY_WIDTH, "across its end");
	builds(PAGE, "up to its end");
	opts.address = 0xffffffffffe00000;
	refuses(PAGE, ERANGE, VAS_WHY_WIDTH, "in the kernel's half");
	refuses(4 * MIB, ERANGE, VAS_WHY_WIDTH, "around the end of all addresses");
	limits.holes = &hole;
	limits.hole_count = 1;
	opts.address = 2 * GIB + PAGE;
	refuses(PAGE, ERANGE, VAS_WHY_LIMITS, "in a hole");
	opts.address = 2 * GIB - PAGE;
	refuses(2 * PAGE, ERANGE, VAS_WHY_LIMITS, "into a hole");
	builds(PAGE, "beside it");
	limits.alignment = 2 * PAGE;
	refuses(PAGE, ERANGE, VAS_WHY_LIMITS, "where limits' alignment has none");
	limits.alignment = 0;
	opts.max = GIB;
	refuses(PAGE, ERANGE, VAS_WHY_WINDOW, "outside the options' window");
	opts.max = 0;
	limits.min = 3 * GIB;
	refuses(PAGE, ERANGE, VAS_WHY_WINDOW, "outside the limits' window");
	reset();
	opts.flags = VAS_RESERVE_PREFER;
	opts.address = 0xffffffffffe00000;
	builds(PAGE, "a preferred address that cannot be is no error");
	ok(request.prefer && !vas_request_accepts(&request, opts.address, PAGE),
	   "and not accepted");
}

static void near_an_anchor(void)
{
	reset();
	opts.place = VAS_PLACE_NEAR;
	opts.address = 4 * GIB + 123;
	opts.reach = 2 * GIB;
	builds(PAGE, "near");
	is_u64(request.start, 2 * GIB + PAGE, "the lowest page within reach");
	is_u64(request.end, 6 * GIB, "the end of the highest");
	opts.reach = 0;
	builds(PAGE, "near without reach");
	ok(request.start == host.min && request.end == host.max, "has the whole window");
	opts.reach = UINT64_MAX;
	builds(PAGE, "all that can be reached");
	ok(request.start == host.min && request.end == host.max, "likewise");
	opts.reach = PAGE;
	refuses(GIB, ERANGE, VAS_WHY_WINDOW, "a reach below the size");
	opts.address = PAGE;
	opts.reach = MIB;
	builds(PAGE, "an anchor below the lowest address");
	ok(request.start == host.min && request.end == MIB + PAGE, "reaches from there");
	opts.address = 0xffffffff81000000;
	opts.reach = 2 * GIB;
	refuses(PAGE, ERANGE, VAS_WHY_WIDTH, "an anchor in the kernel's half");
	opts.address = host.high_max;
	opts.reach = 1ull << 56;
	refuses(PAGE, ERANGE, VAS_WHY_WIDTH, "an anchor that is no address at all");
	opts.address--;
	builds(PAGE, "an anchor at the last address");
	opts.address = host.max + GIB;
	opts.reach = GIB;
	refuses(PAGE, ERANGE, VAS_WHY_WINDOW, "an anchor too far above the window");
	opts.reach = GIB + PAGE;
	builds(PAGE, "one that just reaches it");
}

/* "At least": what the limits and an empty space can hold, and what stopped the rest. */
static void at_least(void)
{
	static const struct vas_span holes[] = { { GIB, MIB }, { GIB + 9 * MIB, MIB } };

	reset();
	opts.min_size = PAGE;
	is_err(build(256 * TIB), 0, "at least a page of more than there is");
	ok(request.size == host.max - 2 * MIB || request.size == host.max - host.min,
	   "is all there is");
	is_str(vas_why_name(why), "width", "because of the width");
	opts.max = GIB;
	is_err(build(256 * TIB), 0, "below 1 GiB");
	is_u64(request.size, GIB - host.min, "is all of it");
	opts.max = 0;
	limits.max_size = 10 * PAGE + 1;
	is_err(build(GIB), 0, "under a cap");
	ok(request.size == 10 * PAGE && why == VAS_WHY_CAP, "is the cap");
	opts.min_size = 11 * PAGE;
	refuses(GIB, ERANGE, VAS_WHY_CAP, "more at least than the cap");
	reset();
	opts.min = GIB;
	opts.max = GIB + 12 * MIB;
	opts.min_size = 4 * MIB;
	limits.holes = holes;
	limits.hole_count = 2;
	is_err(build(12 * MIB), 0, "between holes");
	ok(request.size == 8 * MIB && why == VAS_WHY_LIMITS, "is the largest piece");
	opts.min_size = 8 * MIB + PAGE;
	refuses(12 * MIB, ERANGE, VAS_WHY_LIMITS, "more at least than that");
	opts.place = VAS_PLACE_EXACT;
	opts.address = GIB + 2 * MIB;
	opts.min_size = PAGE;
	is_err(build(10 * MIB), 0, "from an address on");
	ok(request.size == 7 * MIB && why == VAS_WHY_LIMITS, "is up to the next hole");
	opts.address = host.max - 5 * PAGE;
	opts.min = opts.max = 0;
	is_err(build(MIB), 0, "at the end of the space");
	ok(request.size == 5 * PAGE && why == VAS_WHY_WIDTH, "is up to there");
}

int main(void)
{
	tap_plan(0);
	defaults();
	soft_alignment();
	joined_alignments();
	malformed();
	impossible_windows();
	caps_and_granules();
	fixed_addresses();
	near_an_anchor();
	at_least();
	return tap_done();
}
