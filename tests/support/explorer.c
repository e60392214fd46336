/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Explores interleavings. See explorer.h.
 *
 * A run is a list of choices: at each step, which thread takes it. Where the running thread can go
 * on and pre-emptions are used up, there is nothing to choose; where it ends or must wait, the choice is
 * free. The search is by depth: a run repeats the choices of the one before up to the last that had an
 * alternative, takes that, and from there on lets each thread go on as long as it can.
 */
#include "support/explorer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "tap/tap.h"

#define STACK_SIZE (256u << 10)

enum thread_state { READY, WAITING, ENDED };

struct thread {
	ucontext_t context;
	enum thread_state state;
	bool begins; /* it was chosen, and has done nothing yet */
	const uint32_t *word; /* that it waits for */
};

struct choice {
	uint8_t taken; /* number of the alternative */
	uint8_t count; /* of alternatives */
	uint8_t thread; /* that it led to */
};

static struct {
	const struct explorer_scenario *scenario;
	struct explorer_result *result;
	struct thread threads[EXPLORER_THREADS];
	unsigned int count;
	unsigned int running; /* EXPLORER_THREADS: none */
	unsigned int preemptions; /* in this run */
	struct choice choices[EXPLORER_STEPS];
	unsigned int steps; /* of this run */
	unsigned int known; /* choices that this run repeats */
	bool stuck;
	ucontext_t home;
} explorer = { .running = EXPLORER_THREADS };

static char stacks[EXPLORER_THREADS][STACK_SIZE] __attribute__((aligned(64)));

unsigned int explorer_thread(void)
{
	return explorer.running;
}

void explorer_fault(const char *format, ...)
{
	va_list arguments;

	if (explorer.result->fault)
		return;
	explorer.result->fault = true;
	va_start(arguments, format);
	vsnprintf(explorer.result->what, sizeof(explorer.result->what), format, arguments);
	va_end(arguments);
}

/* Leaves the running thread for another, or for home; comes back when it is chosen again. */
static void go(ucontext_t *to, unsigned int number)
{
	unsigned int self = explorer.running;

	explorer.running = number;
	if (self == EXPLORER_THREADS)
		swapcontext(&explorer.home, to);
	else
		swapcontext(&explorer.threads[self].context, to);
}

/* The run cannot go on: its threads are left where they are. */
static void give_up(const char *why)
{
	explorer_fault("%s", why);
	explorer.stuck = true;
	go(&explorer.home, EXPLORER_THREADS);
}

static bool can_run(unsigned int number)
{
	const struct thread *thread = &explorer.threads[number];

	return thread->state == READY || (thread->state == WAITING && *thread->word == 0);
}

/* Which thread takes the next step. first: the one that goes on unless another is chosen. */
static void choose(unsigned int first, bool may_stay)
{
	uint8_t order[EXPLORER_THREADS], count = 0;
	bool free = !may_stay || !can_run(first);
	struct choice *choice = &explorer.choices[explorer.steps];

	if (!free)
		order[count++] = (uint8_t)first;
	if (free || explorer.preemptions < explorer.scenario->preemptions)
		for (unsigned int i = 1; i <= explorer.count; i++) {
			unsigned int number = (first + i) % explorer.count;

			if ((number != first || explorer.running == EXPLORER_THREADS) &&
			    can_run(number))
				order[count++] = (uint8_t)number;
		}
	if (count == 0 && can_run(first))
		order[count++] = (uint8_t)first;
	if (count == 0) {
		give_up("all threads wait");
		return;
	}
	if (explorer.steps == EXPLORER_STEPS) {
		give_up("a run does not end");
		return;
	}
	if (explorer.steps >= explorer.known)
		choice->taken = 0;
	else if (choice->count != count)
		tap_bail("explorer: %s is not the same in each run", explorer.scenario->name);
	choice->count = count;
	choice->thread = order[choice->taken];
	explorer.steps++;
	explorer.preemptions += !free && choice->taken != 0;
	if (choice->thread != explorer.running)
		go(&explorer.threads[choice->thread].context, choice->thread);
}

void explorer_step(void)
{
	if (explorer.running == EXPLORER_THREADS)
		return;
	if (explorer.threads[explorer.running].begins)
		explorer.threads[explorer.running].begins = false;
	else
		choose(explorer.running, true);
}

void explorer_pause(void)
{
	if (explorer.running != EXPLORER_THREADS)
		choose(explorer.running, false);
}

void explorer_lock(void *context, uint32_t *word)
{
	(void)context;
	explorer_step();
	while (*word != 0) {
		struct thread *thread = &explorer.threads[explorer.running];

		if (explorer.running == EXPLORER_THREADS) {
			tap_bail("explorer: a lock is held outside of the threads");
			return;
		}
		thread->word = word;
		thread->state = WAITING;
		choose(explorer.running, true);
		thread->state = READY;
	}
	*word = 1;
}

void explorer_unlock(void *context, uint32_t *word)
{
	(void)context;
	explorer_step();
	if (*word != 1)
		explorer_fault("a free lock is given back");
	*word = 0;
}

static void thread_main(void)
{
	struct thread *thread = &explorer.threads[explorer.running];

	explorer.scenario->thread[explorer.running](explorer.scenario->state);
	thread->state = ENDED;
	for (unsigned int i = 0; i < explorer.count; i++)
		if (explorer.threads[i].state != ENDED) {
			choose(explorer.running, true);
			break;
		}
	go(&explorer.home, EXPLORER_THREADS);
}

static void order_print(char *text, size_t size)
{
	size_t at = 0;

	text[0] = 0;
	for (unsigned int i = 0, next; i < explorer.steps && at < size; i = next) {
		for (next = i + 1; next < explorer.steps &&
				   explorer.choices[next].thread == explorer.choices[i].thread;)
			next++;
		at += (size_t)snprintf(text + at, size - at, "%s%u:%u", at ? " " : "",
				       explorer.choices[i].thread, next - i);
	}
}

static void run_once(void)
{
	const struct explorer_scenario *scenario = explorer.scenario;

	explorer.steps = 0;
	explorer.preemptions = 0;
	explorer.stuck = false;
	scenario->begin(scenario->state);
	for (unsigned int i = 0; i < explorer.count; i++) {
		struct thread *thread = &explorer.threads[i];

		getcontext(&thread->context);
		thread->context.uc_stack.ss_sp = stacks[i];
		thread->context.uc_stack.ss_size = STACK_SIZE;
		thread->context.uc_link = NULL;
		makecontext(&thread->context, thread_main, 0);
		thread->state = READY;
		thread->begins = true;
	}
	/* The first choice is free; it comes back here when all threads have ended. */
	choose(explorer.count - 1, false);
	if (!explorer.stuck)
		scenario->end(scenario->state);
}

/* Takes the last choice that has an alternative, which the next run begins with. False: none has. */
static bool advance(void)
{
	unsigned int i = explorer.steps;

	while (i > 0 && explorer.choices[i - 1].taken + 1u >= explorer.choices[i - 1].count)
		i--;
	explorer.known = i;
	if (i == 0)
		return false;
	explorer.choices[i - 1].taken++;
	return true;
}

void explorer_run(const struct explorer_scenario *scenario, struct explorer_result *result)
{
	bool more = true;

	memset(result, 0, sizeof(*result));
	explorer.scenario = scenario;
	explorer.result = result;
	explorer.known = 0;
	for (explorer.count = 0;
	     explorer.count < EXPLORER_THREADS && scenario->thread[explorer.count];)
		explorer.count++;
	while (more && !result->fault && (scenario->most == 0 || result->runs < scenario->most)) {
		run_once();
		result->runs++;
		more = advance();
	}
	order_print(result->order, sizeof(result->order));
	result->complete = !more && !result->fault;
}

void explorer_point(const struct explorer_scenario *scenario, bool fault_wanted)
{
	struct explorer_result result;
	bool held;

	explorer_run(scenario, &result);
	if (fault_wanted)
		held = ok(result.fault, "%s: a fault is found, in run %llu: %s", scenario->name,
			  (unsigned long long)result.runs, result.what);
	else
		held = ok(result.complete, "%s: %llu orders with up to %u pre-emptions",
			  scenario->name, (unsigned long long)result.runs, scenario->preemptions);
	if (!held && result.fault)
		tap_diag("%s, in the order %s", result.what, result.order);
}

void explorer_find(const struct explorer_scenario *scenario)
{
	const struct rlimit no_core = { 0, 0 };
	struct explorer_result result;
	pid_t child = fork();
	int status = 0;

	if (child == 0) {
		close(STDERR_FILENO);
		setrlimit(RLIMIT_CORE, &no_core);
		explorer_run(scenario, &result);
		_exit(result.fault ? 0 : 1);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		tap_bail("no child");
	ok(!WIFEXITED(status) || WEXITSTATUS(status) == 0, "%s: a fault is found", scenario->name);
}
