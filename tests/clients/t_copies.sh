#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# budget: 10
# Several copies of the library in one process: the shared one, and one linked statically into each of two
# loaded objects. Each treats the others' spans as foreign, and they never clash.
set -u
. "$VASPACE_SOURCE/tests/tap/tap.sh"

library=$VASPACE_BUILD/lib
[[ -f $library/libvaspace.so ]] || tap_skip_all no-shared "this build has no shared library"
include=(-std=gnu11 -Wall -Wextra -Werror "-I$VASPACE_SOURCE/include")

cat >"$tap_folder/plugin.c" <<'C'
#include <vaspace/vaspace.h>

int plugin_reserve(uint64_t size, const struct vas_reserve_opts *opts, struct vas_span *span);
int plugin_release(void *start);
int plugin_owns(const void *address);
int plugin_shutdown(void);

int plugin_shutdown(void)
{
	return vas_shutdown();
}

int plugin_reserve(uint64_t size, const struct vas_reserve_opts *opts, struct vas_span *span)
{
	int err = vas_reserve(size, opts, span);

	return err ? err : vas_commit(vas_span_pointer(*span), 4096, NULL);
}

int plugin_release(void *start)
{
	return vas_release(start, NULL);
}

int plugin_owns(const void *address)
{
	struct vas_owner owner;

	return vas_owner_at(address, &owner) == 0;
}
C
cat >"$tap_folder/main.c" <<'C'
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vaspace/vaspace.h>

#define ROUNDS 2000
#define COPIES 3
#define MIB (1ull << 20)

struct copy {
	int (*reserve)(uint64_t, const struct vas_reserve_opts *, struct vas_span *);
	int (*release)(void *);
	int (*owns)(const void *);
	int (*shutdown)(void);
	int number;
	long errors;
};

static struct copy copies[COPIES];

static int own_reserve(uint64_t size, const struct vas_reserve_opts *opts, struct vas_span *span)
{
	int err = vas_reserve(size, opts, span);

	return err ? err : vas_commit(vas_span_pointer(*span), 4096, NULL);
}

static int own_release(void *start)
{
	return vas_release(start, NULL);
}

static int own_owns(const void *address)
{
	struct vas_owner owner;

	return vas_owner_at(address, &owner) == 0;
}

/* One window for all, so small that claims collide. */
static void *work(void *context)
{
	struct copy *copy = context;
	VAS_OPTS(vas_reserve_opts, opts);

	opts.min = 0x200000000000ull;
	opts.max = opts.min + 64 * MIB;
	opts.alignment = 4096;
	for (int i = 0; i < ROUNDS; i++) {
		struct vas_span span;
		volatile char *byte;
		int err = copy->reserve(1 * MIB, &opts, &span);

		if (err) {
			copy->errors++;
			continue;
		}
		byte = vas_span_pointer(span);
		*byte = (char)copy->number;
		for (int k = 0; k < COPIES; k++)
			if (copies[k].owns((const void *)byte) != (k == copy->number))
				copy->errors++;
		if (*byte != (char)copy->number)
			copy->errors++;
		copy->errors += copy->release((void *)byte) != 0;
	}
	return NULL;
}

static void *load(struct copy *copy, const char *path)
{
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (!handle)
		return NULL;
	copy->reserve = (int (*)(uint64_t, const struct vas_reserve_opts *, struct vas_span *))dlsym(handle, "plugin_reserve");
	copy->release = (int (*)(void *))dlsym(handle, "plugin_release");
	copy->owns = (int (*)(const void *))dlsym(handle, "plugin_owns");
	copy->shutdown = (int (*)(void))dlsym(handle, "plugin_shutdown");
	return copy->reserve && copy->release && copy->owns && copy->shutdown ? handle : NULL;
}

static int count(void *context, const struct vas_notice *notice)
{
	(void)notice;
	++*(int *)context;
	return 0;
}

/* What one copy tells, refuses or gives back is its own affair. */
static int apart(struct copy *other)
{
	uint64_t id, generation;
	struct vas_span own, others;
	static int told; /* the subscription stays */
	int err;

	err = vas_notice_subscribe(NULL, count, &told, &id) || own_reserve(MIB, NULL, &own);
	told = 0;
	if (err || other->reserve(MIB, NULL, &others))
		return 1;
	if (told || vas_generation_at(vas_span_pointer(others), &generation) == 0 ||
	    vas_disown(vas_span_pointer(others)) == 0)
		return 2;
	if (other->shutdown() == 0 || other->release(vas_span_pointer(others)) || other->shutdown())
		return 3;
	if (!own_owns(vas_span_pointer(own)) || other->owns(vas_span_pointer(own)) || vas_shutdown() == 0)
		return 4;
	if (other->reserve(MIB, NULL, &others) || other->release(vas_span_pointer(others)) || told)
		return 5;
	if (own_release(vas_span_pointer(own)) || told != 2)
		return 6;
	return other->shutdown();
}

int main(int argc, char **argv)
{
	pthread_t threads[COPIES];
	void *handles[COPIES] = { NULL };
	long errors = 0;
	int status;
	pid_t child;

	copies[0] = (struct copy){ own_reserve, own_release, own_owns, vas_shutdown, 0, 0 };
	for (int i = 1; i < COPIES && i < argc; i++) {
		copies[i].number = i;
		handles[i] = load(&copies[i], argv[i]);
		if (!handles[i])
			return fprintf(stderr, "%s\n", dlerror()), 1;
	}
	if (copies[1].reserve == copies[2].reserve)
		return fprintf(stderr, "one copy twice\n"), 1;
	for (int i = 0; i < COPIES; i++)
		pthread_create(&threads[i], NULL, work, &copies[i]);
	for (int i = 0; i < COPIES; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < COPIES; i++)
		errors += copies[i].errors;
	status = apart(&copies[1]);
	if (status)
		return fprintf(stderr, "copies are not apart: %d\n", status), 1;
	/* Unloading one takes its fork handlers along; the others go on. */
	dlclose(handles[1]);
	child = fork();
	if (child == 0) {
		struct vas_span span;

		_exit(own_reserve(MIB, NULL, &span) || copies[2].reserve(MIB, NULL, &span));
	}
	if (waitpid(child, &status, 0) != child || status)
		return fprintf(stderr, "the child failed: %d\n", status), 1;
	if (vas_sync_check(NULL))
		return fprintf(stderr, "the books differ\n"), 1;
	if (errors)
		fprintf(stderr, "%ld errors\n", errors);
	return errors != 0;
}
C

plugin()
{
	gcc "${include[@]}" -fPIC -shared "$tap_folder/plugin.c" -o "$tap_folder/$1.so" \
	    "$library/libvaspace.a" -Wl,--exclude-libs,ALL
}

nodelete()
{
	readelf -d "$library/libvaspace.so" | grep -q NODELETE
}

ok "the first plugin builds with the static library" plugin one
ok "the second plugin builds with the static library" plugin two
ok "the program builds with the shared library" gcc "${include[@]}" "$tap_folder/main.c" -o "$tap_folder/main" \
    "-L$library" "-Wl,-rpath,$library" -lvaspace -lpthread -ldl
ok "three copies share one window without a clash" "$tap_folder/main" "$tap_folder/one.so" "$tap_folder/two.so"
ok "the shared library stays loaded" nodelete
tap_done
