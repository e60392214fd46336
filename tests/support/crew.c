/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Crews of threads. See crew.h.
 *
 * Between meetings nothing here orders the threads' memory accesses: a checker
 * of races sees what the library itself does.
 */
#include "support/crew.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap/tap.h"

#define STACK_SIZE   (512u << 10)
#define FAULTS_SHOWN 8u

struct member {
	pthread_t thread;
	unsigned int number;
};

static struct {
	struct member members[CREW_MOST];
	pthread_barrier_t barrier;
	void (*work)(void *argument, unsigned int number);
	void *argument;
	unsigned int faults; /* atomic */
} crew;

static char stacks[CREW_MOST][STACK_SIZE] __attribute__((aligned(4096)));

void crew_meet(void)
{
	pthread_barrier_wait(&crew.barrier);
}

static void *member_main(void *argument)
{
	const struct member *member = argument;

	crew_meet();
	crew.work(crew.argument, member->number);
	return NULL;
}

void crew_run(unsigned int count, void (*work)(void *argument, unsigned int number), void *argument)
{
	pthread_attr_t attributes;

	if (count == 0 || count > CREW_MOST)
		tap_bail("a crew of %u", count);
	crew.work = work;
	crew.argument = argument;
	pthread_barrier_init(&crew.barrier, NULL, count);
	for (unsigned int i = 0; i < count; i++) {
		crew.members[i].number = i;
		pthread_attr_init(&attributes);
		if (pthread_attr_setstack(&attributes, stacks[i], STACK_SIZE) ||
		    pthread_create(&crew.members[i].thread, &attributes, member_main,
				   &crew.members[i]))
			tap_bail("no thread");
		pthread_attr_destroy(&attributes);
	}
	for (unsigned int i = 0; i < count; i++)
		pthread_join(crew.members[i].thread, NULL);
	pthread_barrier_destroy(&crew.barrier);
}

void crew_fault(const char *format, ...)
{
	char line[256];
	va_list arguments;

	if (__atomic_fetch_add(&crew.faults, 1, __ATOMIC_RELAXED) >= FAULTS_SHOWN)
		return;
	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	tap_diag("%s", line);
}

unsigned int crew_faults(void)
{
	return __atomic_exchange_n(&crew.faults, 0, __ATOMIC_RELAXED);
}

bool crew_failed(void)
{
	return __atomic_load_n(&crew.faults, __ATOMIC_RELAXED) != 0;
}

void crew_fork(uint64_t rounds, int (*child)(void))
{
	for (uint64_t i = 0; i < rounds && !crew_failed(); i++) {
		pid_t pid = fork();
		int status = 0;

		if (pid == 0)
			_exit(child());
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
			crew_fault("a child ended with %x", status);
	}
}
