/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Slots: a number for each thread that runs, by which what many threads use is spread out. Only a
 * matter of speed: any number is right.
 */
#ifndef VAS_SYS_SLOT_H
#define VAS_SYS_SLOT_H

#include <stdint.h>

#define VAS_SLOT_COUNT 64u /* numbers that are the same modulo this are the same slot */

/*
 * Where the number lies, from the thread pointer on: base/thread_word.h. The same for all threads
 * and at every call; 0: not to be had on this processor.
 */
intptr_t vas_slot_place(void);

/*
 * Gives the calling thread a number of its own, if numbers are the threads' own and it has none: until then
 * its slot is 0, which no thread is given.
 */
void vas_slot_own(void);

/* Takes the environment's word again; for tests, before what was made by the old place is used. */
void vas_slot_reload(void);

#endif
