/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* Slots: the kernel's number where there is one, a thread's own else, in threads and in a child of fork. */
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/thread_word.h"
#include "sys/environment.h"
#include "sys/slot.h"
#include "tap/tap.h"

#define THREADS (VAS_SLOT_COUNT + 8) /* more than there are numbers */
#define FEATURE_SIZE 27 /* in the auxiliary vector: bytes of struct rseq that the kernel fills */
#define CPU_ID 4
#define MM_CID 24

extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));

static void set_source(const char *word)
{
	setenv("VASPACE_SLOT", word, 1);
	vas_environment_reload();
	vas_slot_reload();
}

/* Whether libc has the kernel write this thread's numbers. */
static bool is_registered(void)
{
	return &__rseq_size && &__rseq_offset && __rseq_size > CPU_ID &&
	       (int32_t)vas_thread_word((intptr_t)__rseq_offset + CPU_ID) >= 0;
}

static uint32_t own_number(void)
{
	vas_slot_own();
	return vas_thread_word(vas_slot_place());
}

struct told {
	intptr_t place;
	uint32_t first; /* before the thread asked for a number */
	uint32_t number;
	uint32_t again;
};

static void *tell(void *arg)
{
	struct told *told = arg;

	told->place = vas_slot_place();
	told->first = told->place ? vas_thread_word(told->place) : 0;
	vas_slot_own();
	told->number = told->place ? vas_thread_word(told->place) : 0;
	vas_slot_own();
	told->again = told->place ? vas_thread_word(told->place) : 0;
	return NULL;
}

static struct told tell_of_thread(void)
{
	struct told told = { .place = -1 };
	pthread_t thread;

	if (pthread_create(&thread, NULL, tell, &told))
		tap_bail("no thread");
	pthread_join(thread, NULL);
	return told;
}

static void kernels_case(void *arg)
{
	uint32_t most = (uint32_t)sysconf(_SC_NPROCESSORS_CONF);
	bool mm_cid = getauxval(FEATURE_SIZE) >= MM_CID + 4 && __rseq_size >= MM_CID + 4;
	struct told told;
	cpu_set_t one;

	(void)arg;
	set_source("auto");
	is_i64(vas_slot_place(), (intptr_t)__rseq_offset + (mm_cid ? MM_CID : CPU_ID),
	       "the place is that of the number among running threads, or of the processor");
	ok(vas_thread_word(vas_slot_place()) < most, "there are no more numbers than processors");
	CPU_ZERO(&one);
	CPU_SET((size_t)sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
	if (!mm_cid)
		is_u64(vas_thread_word(vas_slot_place()), (uint64_t)sched_getcpu(),
		       "it is this processor's");
	told = tell_of_thread();
	is_i64(told.place, vas_slot_place(), "another thread has it at the same place");
	ok(told.number < most, "and its number is one of these");
	vas_slot_own();
	set_source("thread");
	is_u64(vas_thread_word(vas_slot_place()), 0, "nobody was given a number of its own");
}

static void own_case(void *arg)
{
	struct told told[THREADS];
	uint32_t mine, odd = 0, same = 0, unset = 0, zero = 0;

	(void)arg;
	set_source("thread");
	ok(!is_registered() || (vas_slot_place() != (intptr_t)__rseq_offset + MM_CID &&
				vas_slot_place() != (intptr_t)__rseq_offset + CPU_ID),
	   "the place is not the kernel's");
	is_u64(vas_thread_word(vas_slot_place()), 0, "at first the slot is 0");
	mine = own_number();
	for (uint32_t i = 0; i < THREADS; i++) {
		told[i] = tell_of_thread();
		odd += told[i].place != vas_slot_place() || told[i].again != told[i].number;
		unset += told[i].first != 0;
		zero += told[i].number % VAS_SLOT_COUNT == 0;
		same += told[i].number == mine;
		for (uint32_t j = 0; j < i; j++)
			same += told[i].number == told[j].number;
	}
	is_u64(odd, 0, "all threads have their numbers at one place, and keep them");
	is_u64(unset, 0, "none before it asks");
	is_u64(same, 0, "no two have the same");
	is_u64(zero, 0, "and none the slot of those without");
	is_u64(own_number(), mine, "a thread's number stays");
}

/* In a child: 0 when all is as it should be. */
static int child_main(intptr_t place, uint32_t mine)
{
	struct told told;

	if (vas_slot_place() != place)
		return 1;
	if (mine && own_number() != mine)
		return 2;
	told = tell_of_thread();
	if (told.place != place)
		return 3;
	if (mine && (told.number % VAS_SLOT_COUNT == 0 || told.number == mine))
		return 4;
	return !mine && (int32_t)vas_thread_word(place) < 0 ? 5 : 0;
}

static void fork_case(void *arg)
{
	int status = -1;
	intptr_t place;
	uint32_t mine;
	pid_t child;

	set_source(arg);
	place = vas_slot_place();
	mine = vas_environment_get()->slot == VAS_SLOT_THREAD ? own_number() : 0;
	child = fork();
	if (child == 0)
		_exit(child_main(place, mine));
	is_i64(waitpid(child, &status, 0), child, "a child ends");
	is_i64(status, 0, "there place and number are the same, and a new thread's is another one");
}

int main(void)
{
	static char of_threads[] = "thread", by_itself[] = "auto";

	/* What libc keeps of a first thread, and of each word, is kept from here on. */
	set_source(by_itself);
	set_source(of_threads);
	(void)tell_of_thread();
	if (!vas_slot_place()) {
		tap_plan(1);
		ok(vas_slot_place() == 0, "no thread's word can be read on this processor");
		return tap_done();
	}
	tap_plan(0);
	if (is_registered())
		tap_case("the kernel's numbers", kernels_case, NULL, 20);
	tap_case("numbers of threads", own_case, NULL, 20);
	tap_case("numbers of threads, in a child", fork_case, of_threads, 20);
	tap_case("what the environment says by itself, in a child", fork_case, by_itself, 20);
	return tap_done();
}
