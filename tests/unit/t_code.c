/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/* budget: 5 */
/* The words of codes are all there, and options structs cross versions in both directions. */
#include "base/code.h"

#include <errno.h>
#include <string.h>

#include "tap/tap.h"

static bool is_word(const char *word)
{
	for (const char *at = word; *at != '\0'; at++) {
		if ((*at < 'a' || *at > 'z') && *at != '-')
			return false;
	}
	return *word != '\0';
}

static void words(void)
{
	static const int errors[] = { EINVAL, ENOMEM, EEXIST, ENOSPC,  ERANGE,	  EPERM,
				      ENOSYS, EAGAIN, EBUSY,  E2BIG,   ENOENT,	  ESRCH,
				      EACCES, EINTR,  ESTALE, EBADMSG, EOPNOTSUPP };
	static const char *const operations[] = { "none",    "reserve", "commit",
						  "release", "find",	"read", "adopt", "disown",
						  "decommit", "protect", "guard",
						  "unguard", "region", "alloc", "free", "park",
						  "unpark", "detached", "manifest", "arena", "grow", "shrink",
						  "ring", "view", "policy", "replace" };
	bool whole = true;
	bool distinct = true;

	for (unsigned int i = 0; i < VAS_WHY_COUNT; i++) {
		enum vas_why why = (enum vas_why)i;

		whole &= is_word(vas_why_name(why)) && strlen(vas_why_sentence(why)) > 10 &&
			 strlen(vas_why_remedy(why)) > 10 &&
			 strcmp(vas_why_name(why), "unknown") != 0;
		for (unsigned int j = 0; j < i; j++)
			distinct &= strcmp(vas_why_name(why), vas_why_name((enum vas_why)j)) != 0;
	}
	ok(whole, "every reason has a name, a sentence and a remedy");
	ok(distinct, "no two reasons share a name");
	is_str(vas_why_name((enum vas_why)VAS_WHY_COUNT), "unknown", "a reason beyond the last");
	is_str(vas_why_name((enum vas_why) - 1), "unknown", "a reason before the first");
	is_str(vas_why_name(VAS_WHY_TAKEN), "taken", "taken");
	is_str(vas_why_name(VAS_WHY_KERNEL), "kernel", "the last reason");
	for (int i = VAS_OPERATION_NONE; i <= VAS_OPERATION_REPLACE; i++)
		is_str(vas_operation_name((enum vas_operation)i), operations[i], "operation %d", i);
	is_str(vas_operation_name((enum vas_operation)99), "unknown", "no operation");
	whole = true;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		whole &= vas_errno_name(errors[i])[0] == 'E' && vas_errno_name(errors[i])[1] != '?';
		whole &= strcmp(vas_errno_name(errors[i]), vas_errno_name(-errors[i])) == 0;
	}
	ok(whole, "errno values have names, negative or not");
	is_str(vas_errno_name(12), "ENOMEM", "ENOMEM");
	is_str(vas_errno_name(0), "0", "no error");
	is_str(vas_errno_name(4095), "E?", "an errno without a name");
	is_str(vas_errno_name(INT32_MIN), "E?", "no errno at all");
}

/* What an older, this, and a newer version of one struct look like. */
struct older {
	size_t size;
	uint64_t a;
};

struct known {
	size_t size;
	uint64_t a;
	uint64_t b;
};

struct newer {
	size_t size;
	uint64_t a;
	uint64_t b;
	uint64_t c;
};

static int load(const void *options, struct known *known)
{
	return vas_options_load(options, known, sizeof(*known), sizeof(struct older));
}

static void loading(void)
{
	struct known same = { sizeof(same), 1, 2 };
	struct older older = { sizeof(older), 3 };
	struct newer newer = { sizeof(newer), 4, 5, 0 };
	static _Alignas(size_t) char large[VAS_OPTIONS_SIZE_MAX + sizeof(size_t)];
	struct known known;
	struct known before;

	memset(&known, 0x5a, sizeof(known));
	before = known;
	is_err(load(&same, &known), 0, "the same version");
	ok(memcmp(&known, &same, sizeof(known)) == 0, "is copied");
	known = before;
	is_err(load(&older, &known), 0, "an older version");
	ok(known.size == sizeof(known) && known.a == 3 && known.b == 0, "is zero-extended");
	known = before;
	is_err(load(&newer, &known), 0, "a newer version with a zero tail");
	ok(known.size == sizeof(known) && known.a == 4 && known.b == 5, "is cut");
	known = before;
	is_err(load(NULL, &known), 0, "NULL");
	ok(known.size == sizeof(known) && known.a == 0 && known.b == 0, "is all defaults");
	known = before;
	newer.c = 1ull << 63;
	is_err(load(&newer, &known), E2BIG, "a newer version with something in its tail");
	same.size = sizeof(older) - 1;
	is_err(load(&same, &known), EINVAL, "a size below the first version's");
	same.size = 0;
	is_err(load(&same, &known), EINVAL, "a forgotten size");
	memcpy(large, &(size_t){ sizeof(large) }, sizeof(size_t));
	is_err(load(large, &known), E2BIG, "a size beyond belief");
	ok(memcmp(&known, &before, sizeof(known)) == 0, "failures touch nothing");
	memcpy(large, &(size_t){ VAS_OPTIONS_SIZE_MAX }, sizeof(size_t));
	is_err(load(large, &known), 0, "the largest size that is believed");
}

static int store(void *out, const struct known *known)
{
	return vas_options_store(out, known, sizeof(*known), sizeof(struct older));
}

static void storing(void)
{
	static const struct known known = { sizeof(known), 1, 2 };
	struct known same = { sizeof(same), 9, 9 };
	struct newer newer = { sizeof(newer), 9, 9, 9 };
	struct {
		struct older older;
		uint64_t guard;
	} guarded = { { sizeof(guarded.older), 9 }, 77 };

	is_err(store(&same, &known), 0, "to the same version");
	ok(memcmp(&same, &known, sizeof(known)) == 0, "copies");
	is_err(store(&guarded.older, &known), 0, "to an older one");
	ok(guarded.older.size == sizeof(guarded.older) && guarded.older.a == 1 &&
		   guarded.guard == 77,
	   "stays in its bounds");
	is_err(store(&newer, &known), 0, "to a newer one");
	ok(newer.size == sizeof(newer) && newer.a == 1 && newer.b == 2 && newer.c == 0,
	   "zeroes its tail");
	is_err(store(NULL, &known), EINVAL, "to nowhere");
	newer = (struct newer){ sizeof(size_t), 9, 9, 9 };
	is_err(store(&newer, &known), EINVAL, "to a size below the first version's");
	newer.size = (size_t)-1;
	is_err(store(&newer, &known), EINVAL, "to a size beyond belief");
	ok(newer.a == 9 && newer.b == 9 && newer.c == 9, "failures touch nothing");
}

int main(void)
{
	tap_plan(0);
	words();
	loading();
	storing();
	return tap_done();
}
