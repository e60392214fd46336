/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded valgrind */
/* links: dl */
/*
 * The loader of modules: where it looks, what it refuses, what it says, and
 * what it leaves alone. Needs neither hwloc nor the real module: the modules
 * are those of fake_module.c. Each case is a process of its own, since what is
 * open stays open.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <vaspace/system.h>
#include <vaspace/topology.h>

#include "device/places.h"

/* Modules are looked for in these folders of t/fake, in this order; up to four, then NULL. */
static void use_fakes(const char *const *names)
{
	char path[4 * PATH_MAX] = "", folder[PATH_MAX], name[64];

	for (int i = 0; i < 4 && names[i]; i++) {
		snprintf(name, sizeof(name), "t/fake/%s", names[i]);
		place_in_build(folder, name);
		if (i)
			strcat(path, ":");
		strcat(path, folder);
	}
	place_modules(path);
}

static void use_fake(const char *name)
{
	use_fakes((const char *const[]){ name, NULL, NULL, NULL });
}

/* The number of nodes that the module answers, or the error. */
static int64_t nodes(void)
{
	VAS_OPTS(vas_topology, topology);
	int error;

	topology.node_count = 4711;
	error = vas_topology_get(&topology);
	if (error && topology.node_count != 4711)
		ok(false, "the output is untouched on failure");
	return error ? error : (int64_t)topology.node_count;
}

/* What is opened stays open, and the dynamic linker keeps some heap from its first use on. */
static void opens(void)
{
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
}

/* Failing again and again keeps nothing; the first few may, within the dynamic linker. */
static void fails_again(int64_t error)
{
	size_t before = 0, after;

	for (int i = 0; i < 60; i++) {
		if (i == 10) {
			tap_baseline();
			before = mallinfo2().uordblks;
		}
		vas_loader_forget();
		if (nodes() != error)
			ok(false, "the same failure at try %d", i);
	}
	after = mallinfo2().uordblks;
	/* What is freed may lie in caches: less than 8 bytes a try is none. */
	tap_ignore_leaks(TAP_LEAK_HEAP);
	ok(after < before + 400, "heap: %zu bytes before, %zu after", before, after);
}

static bool says(const char *text)
{
	if (strstr(vas_topology_error(), text))
		return true;
	tap_diag("it says: %s", vas_topology_error());
	return false;
}

static void missing_case(void *arg)
{
	(void)arg;
	is_str(vas_topology_error(), "", "nothing to say before the first call");
	place_modules("/nonexistent/first:relative/second::/nonexistent/th\nird");
	is_err(nodes(), EOPNOTSUPP, "refused by name");
	ok(says("/nonexistent/first/vaspace-cpu.so"), "the text names the first directory");
	ok(says("/nonexistent/th ird/vaspace-cpu.so"), "and the one after an empty name");
	ok(says("/nonexistent/installed/vaspace-cpu.so"), "and the installed one");
	ok(!strstr(vas_topology_error(), "relative"), "a relative directory is passed over");
	ok(!strchr(vas_topology_error(), '\n'), "it is one line");
	fails_again(-EOPNOTSUPP);
}

static void kept_case(void *arg)
{
	(void)arg;
	opens();
	place_modules("/nonexistent/first");
	is_err(nodes(), EOPNOTSUPP, "the module is nowhere");
	use_fake("good");
	is_err(nodes(), EOPNOTSUPP, "a failure is kept");
	ok(says("/nonexistent/first"), "with its text");
	vas_probe_reset();
	is_i64(nodes(), 7, "until it is forgotten");
	is_str(vas_topology_error(), "", "no text after a success");
}

static void order_case(void *arg)
{
	char folder[PATH_MAX];

	(void)arg;
	opens();
	use_fakes((const char *const[]){ "absent", "text", "other", "good" });
	is_i64(nodes(), 8, "the first that the dynamic linker takes is used");
	use_fake("good");
	vas_loader_forget();
	is_i64(nodes(), 8, "and stays");
	place_in_build(folder, "t/fake/good");
	ok(!place_is_mapped(folder), "the later one was not opened");
}

static void installed_case(void *arg)
{
	char folder[PATH_MAX];

	(void)arg;
	opens();
	place_modules("");
	place_in_build(folder, "t/fake/good");
	vas_loader_set_directory(folder);
	is_i64(nodes(), 7, "the installed directory is asked without a setting");
}

struct wrong {
	const char *how;
	const char *says;
};

static void wrong_case(void *arg)
{
	const struct wrong *wrong = arg;
	char folder[PATH_MAX], name[64];

	use_fakes((const char *const[]){ wrong->how, "good", NULL, NULL });
	is_err(nodes(), EPROTO, "a table of another version is refused");
	ok(says(wrong->says), "with the reason: %s", wrong->says);
	snprintf(name, sizeof(name), "t/fake/%s/vaspace-cpu.so", wrong->how);
	place_in_build(folder, name);
	ok(says(folder), "and the file's name");
	ok(!place_is_mapped(folder), "it was closed again");
	ok(!place_is_mapped("t/fake/good"), "no later directory was asked");
	fails_again(-EPROTO);
}

static void operations_case(void *arg)
{
	VAS_OPTS(vas_node, node);
	uint32_t id = 4711;

	(void)arg;
	opens();
	use_fake("good");
	is_err(vas_node_at(&id, &id), EOPNOTSUPP, "an operation whose slot is NULL");
	is_u64(id, 4711, "the output is untouched");
	ok(says("operation"), "with a text");
	is_i64(nodes(), 7, "the others work, in a table longer than we know");
	is_err(vas_node_get(0, &node), EIO, "what the module answers comes through");
	is_str(vas_topology_error(), "the fake module fails", "its text too");
}

static void bare_case(void *arg)
{
	VAS_OPTS(vas_node, node);
	uint32_t id;

	(void)arg;
	opens();
	use_fake("bare");
	is_err(nodes(), EOPNOTSUPP, "an operation beyond the table's size");
	is_err(vas_node_get(0, &node), EOPNOTSUPP, "another");
	is_err(vas_node_at(&id, &id), EOPNOTSUPP, "a third");
}

static void arguments_case(void *arg)
{
	struct {
		struct vas_topology topology;
		uint64_t later;
	} larger;
	VAS_OPTS(vas_topology, topology);
	VAS_OPTS(vas_node, node);

	(void)arg;
	opens();
	use_fake("good");
	is_err(vas_topology_get(NULL), EINVAL, "no topology");
	topology.size--;
	is_err(vas_topology_get(&topology), EINVAL, "a struct smaller than the first version's");
	is_err(vas_node_get(0, NULL), EINVAL, "no node");
	node.size--;
	is_err(vas_node_get(0, &node), EINVAL, "a node smaller than the first version's");
	is_err(vas_node_at(&node, NULL), EINVAL, "no place for the number");
	ok(!place_is_mapped("vaspace-cpu"), "nothing was opened for calls that cannot work");

	memset(&larger, 0xff, sizeof(larger));
	larger.topology.size = sizeof(larger);
	is_err(vas_topology_get(&larger.topology), 0, "a struct of a newer caller");
	is_u64(larger.topology.size, sizeof(larger), "its size stays");
	is_u64(larger.topology.node_count, 7, "it is filled");
	is_u64(larger.later, 0, "what this library does not know is 0");
}

/* From here on, the system call fails with EPERM; for mmap only when it asks for PROT_EXEC. */
static bool deny(int call)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)call, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, call == SYS_mmap ? PROT_EXEC : UINT32_MAX, 0,
			 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static void denied_open_case(void *arg)
{
	(void)arg;
	opens();
	use_fake("good");
	/* O_CLOEXEC is never absent from the linker's flags, so the filter's bits match. */
	if (!deny(SYS_openat))
		tap_skip_all("no-seccomp", "seccomp filters are denied");
	is_err(nodes(), EOPNOTSUPP, "no file can be opened");
	ok(says("t/fake/good/vaspace-cpu.so"), "the text has the file");
	ok(says(strerror(EPERM)), "and the cause");
}

static void denied_exec_case(void *arg)
{
	(void)arg;
	if (tap_under_valgrind())
		tap_skip_all("checker-memory", "valgrind maps code of its own");
	opens();
	use_fake("good");
	if (!deny(SYS_mmap))
		tap_skip_all("no-seccomp", "seccomp filters are denied");
	is_err(nodes(), EOPNOTSUPP, "no code can be mapped");
	ok(says("t/fake/good/vaspace-cpu.so"), "the text has the file");
}

static void descriptors_case(void *arg)
{
	struct rlimit limit, none = { 0, 0 };

	(void)arg;
	opens();
	use_fake("good");
	getrlimit(RLIMIT_NOFILE, &limit);
	none.rlim_max = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &none);
	is_err(nodes(), EOPNOTSUPP, "no descriptor is free");
	ok(says(strerror(EMFILE)), "the text has the cause");
	setrlimit(RLIMIT_NOFILE, &limit);
	vas_loader_forget();
	is_i64(nodes(), 7, "the next try after vas_loader_forget finds it");
}

static void long_name_case(void *arg)
{
	char path[250];

	(void)arg;
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	place_modules(path);
	is_err(nodes(), EOPNOTSUPP, "a directory of 249 letters");
	ok(strlen(vas_topology_error()) < 1024, "the text keeps to its buffer");
	vas_loader_forget();

	/* The environment's setting is shorter than this; the installed directory may be longer. */
	static char directory[600];

	memset(directory, 'b', sizeof(directory) - 1);
	directory[0] = '/';
	vas_loader_set_directory(directory);
	is_err(nodes(), EOPNOTSUPP, "a directory of 599 letters");
	ok(says("the name is too long"), "is not looked into");
	fails_again(-EOPNOTSUPP);
}

#define THREADS 8

static pthread_barrier_t start;

static void *first_call(void *arg)
{
	int64_t *result = arg;

	pthread_barrier_wait(&start);
	*result = nodes();
	return NULL;
}

static void threads_case(void *arg)
{
	int64_t results[THREADS], wanted = arg ? -EOPNOTSUPP : 7;
	pthread_t threads[THREADS];

	if (arg)
		place_modules("/nonexistent/first");
	else
		use_fake("good");
	opens();
	pthread_barrier_init(&start, NULL, THREADS);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, first_call, &results[i]);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < THREADS; i++)
		is_i64(results[i], wanted, "thread %d", i);
	ok(arg ? says("/nonexistent/first") : vas_topology_error()[0] == '\0', "one text for all");
	pthread_barrier_destroy(&start);
}

static void *cancelled(void *arg)
{
	int *after = arg, state;
	VAS_OPTS(vas_node, node);

	/* Cancelled already: the first cancellation point would end this thread. */
	pthread_cancel(pthread_self());
	errno = 4711;
	after[0] = vas_node_get(0, &node);
	after[1] = errno;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	after[2] = state;
	return NULL;
}

static void manners_case(void *arg)
{
	int after[3] = { 0, 0, 0 };
	pthread_t thread;

	(void)arg;
	use_fake("good");
	opens();
	pthread_create(&thread, NULL, cancelled, after);
	pthread_join(thread, NULL);
	is_err(after[0], EIO, "no call is a cancellation point, whatever the module does");
	is_i64(after[1], 4711, "errno is preserved");
	is_i64(after[2], PTHREAD_CANCEL_ENABLE, "cancelling is allowed again afterwards");
}

/* What a set-user-id copy of this program does: tells the loader's answer by its exit status. */
static int be_secure(void)
{
	int64_t result;

	vas_loader_set_directory("/nonexistent/installed");
	result = nodes();
	if (result != -EOPNOTSUPP)
		return 2;
	return strstr(vas_topology_error(), "t/fake") ? 3 : 0;
}

static void secure_case(void *arg)
{
	(void)arg;
	opens();
	use_fake("good");
	is_i64(place_run_copy(false), 2, "an ordinary copy obeys VASPACE_MODULE_PATH");
	is_i64(place_run_copy(true), 0, "a set-user-id copy does not");
}

int main(int argc, char **argv)
{
	static const struct wrong wrongs[] = {
		{ "abi", "has interface number 99, this library needs 1" },
		{ "short", "its table is not one of module vaspace-cpu" },
		{ "name", "its table is not one of module vaspace-cpu" },
		{ "nameless", "its table is not one of module vaspace-cpu" },
		{ "symbol", "undefined symbol: vas_module_cpu" },
	};
	char name[64];

	if (argc > 1 && strcmp(argv[1], "secure") == 0)
		_exit(be_secure());
	tap_plan(0);
	tap_case("a module that is nowhere", missing_case, NULL, 0);
	tap_case("a failure is kept until it is forgotten", kept_case, NULL, 0);
	tap_case("the order of directories", order_case, NULL, 0);
	tap_case("the installed directory", installed_case, NULL, 0);
	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		struct wrong wrong = wrongs[i];

		snprintf(name, sizeof(name), "a wrong module: %s", wrong.how);
		tap_case(name, wrong_case, &wrong, 0);
	}
	tap_case("operations that a module lacks", operations_case, NULL, 0);
	tap_case("a table without operations", bare_case, NULL, 0);
	tap_case("arguments and sizes of structs", arguments_case, NULL, 0);
	tap_case("opening files is denied", denied_open_case, NULL, 0);
	tap_case("mapping code is denied", denied_exec_case, NULL, 0);
	tap_case("no descriptor is left", descriptors_case, NULL, 0);
	tap_case("long names", long_name_case, NULL, 0);
	tap_case("first calls of eight threads", threads_case, NULL, 0);
	tap_case("first calls of eight threads that fail", threads_case, &start, 0);
	tap_case("a module changes errno and can be cancelled", manners_case, NULL, 0);
	tap_case("a set-user-id program", secure_case, NULL, 0);
	return tap_done();
}
