/* SPDX-License-Identifier: BSD-2-Clause */
/* Keeping the books whole over fork(). */
#ifndef VAS_SPACE_FORK_H
#define VAS_SPACE_FORK_H

/* Registers the handlers. Once, by a constructor in a file that every program with a space links. */
void vas_fork_register(void);

/* As vas_fork_prepare, vas_fork_parent and vas_fork_child. */
void vas_fork_begin(void);
void vas_fork_end_parent(void);
int vas_fork_end_child(void);

/* The lock under which the process's space is made; for the fork handlers. */
void vas_space_lock_making(void);
void vas_space_unlock_making(void);

#endif
