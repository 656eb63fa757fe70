#ifndef IMAPGATE_LISTENER_ROLES_H
#define IMAPGATE_LISTENER_ROLES_H

/*
 * The processes that the listener has for all connections together: gate
 * zygote and signer of one generation of certificates, and a monitor zygote
 * for each generation of settings that has connections before their login.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "boundary/msg.h"
#include "base/signals.h"
#include "config/options.h"

/* Generations of settings at one time: a reload is refused where there is no place for one more. */
#define ROLES_GENERATIONS	16

/* Hears what comes of them. The message is a zygote's MSG_SPAWNED, or a signer's. */
struct roles_callbacks {
	void	(*spawned)(const struct msg_spawned *, bool monitor);
	void	(*zygote_ended)(bool monitor, unsigned generation);	/* a zygote is gone, and with it all answers that it owed */
	void	(*signing)(const struct msg *);
	void	(*shortage)(const char *what, const char *reason);	/* somebody is missing for a while */
};

/*
 * Starts all of them and waits until they are ready. Takes the descriptors of
 * older monitor zygotes that the image before this one had (roles_kept), none
 * of which is needed without a connection. Dies with EX_CONFIG if no
 * certificate works, EX_TEMPFAIL if something is missing.
 */
void	roles_begin(const struct options *, const struct signals *, const struct roles_callbacks *, const char *kept);

/*
 * Can a gate be had? False while the gate zygote is missing, or busy with so
 * much that no more is asked of it: no connection is accepted then.
 */
bool	roles_are_ready(void);

/* When clients come: looks whether certificates are others now, and then begins to renew them. What does not work is logged, and the old ones stay. */
void	roles_refresh(void);

/* Asks for a gate; descriptors as in boundary/spawn.h. False with errno if that can't be done. */
bool	roles_spawn_gate(const struct msg_spawn_gate *, const int fds[2]);

/* The generation that a connection belongs to which begins now; it is left by roles_release when the connection needs no monitor any more. */
unsigned	roles_acquire(void);
bool		roles_has_generation(unsigned generation);	/* its monitor zygote is there */
void		roles_release(unsigned generation);

/* Asks for a monitor. The message is MSG_SPAWN_MONITOR or MSG_SPAWN_PEER. */
bool	roles_spawn_monitor(unsigned generation, const struct msg *, const int *fds);

/* End a zygote that does not answer, or that of this generation's monitors; another takes its place. */
void	roles_kill_gate_zygote(void);
void	roles_kill_monitor_zygote(unsigned generation);

/* How many answers are on their way. */
unsigned	roles_pending(void);

/* One of them has something to say, by the index of its event. */
void	roles_receive(uint32_t index);

/* A child has ended: returns false if it was none of these. */
bool	roles_ended(pid_t, int status);

/* When something of ours is to be done next (clock_ms()), 0 for never; and that it is time. */
int64_t	roles_due(void);
void	roles_tick(void);

/* Is there a place for a new generation? */
bool	roles_has_room(void);

/* Writes into text what the next image wants to know of monitor zygotes that are still needed, and has their descriptors survive execve(2), or not. */
void	roles_keep_on_exec(char *text, size_t size, bool keep);

#endif
