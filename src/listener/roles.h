#ifndef IMAPGATE_LISTENER_ROLES_H
#define IMAPGATE_LISTENER_ROLES_H

/*
 * The processes that serve all connections of a listener: gate zygote and signer for one set of
 * certificates, and a monitor zygote for each generation of settings that has connections before
 * login.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/signals.h"
#include "boundary/msg.h"
#include "config/options.h"

/* Generations of settings at one time. A reload fails if there is no room for one more. */
#define ROLES_GENERATIONS	16

/*
 * Callbacks of roles_receive(), roles_ended(), roles_tick() and roles_check_signer(), and
 * log_message of roles_begin() too.
 */
struct roles_callbacks {
	/* Handles MSG_SPAWNED. Returns false if the message answers no request. */
	bool	(*spawned)(const struct msg_spawned *, bool monitor);
	/* Called when a zygote that had unanswered requests has exited or was replaced. */
	void	(*zygote_ended)(bool monitor, unsigned generation);
	/* Logs MSG_SIGN_REPORT of the signer, or MSG_LOG of the signer or the gate zygote. */
	void	(*log_message)(const struct msg *);
	/* Called when a process has exited, hangs or can't be started; a restart follows. */
	void	(*process_missing)(const char *what, const char *reason);
};

/*
 * Starts all processes and waits until they are ready. Takes the text of roles_keep_on_exec()
 * about older monitor zygotes, NULL: none. Dies with EX_CONFIG if no certificate works, with
 * EX_TEMPFAIL if a resource is missing.
 */
void	roles_begin(const struct options *, const struct signals *, const struct roles_callbacks *, const char *kept);

/*
 * Returns whether a gate can be requested: false while a zygote or the signer is missing, the gate
 * zygote has too many unanswered requests, or new certificates are being loaded, which connections
 * wait for a short time only. No connection is accepted then.
 */
bool	roles_are_ready(void);

/*
 * Checks the certificate files for changes, at most once a second, and begins a renewal. Call it
 * before accepting. A renewal that fails is logged, and the old certificates stay.
 */
void	roles_check_certificates(void);

/*
 * Requests a gate from its zygote. Takes the descriptors of boundary/spawn.h. Returns false with
 * errno on failure.
 */
bool	roles_spawn_gate(const struct msg_spawn_gate *, const int fds[2]);

/* Returns the current generation for a new connection, which holds it until roles_release(). */
unsigned	roles_acquire(void);
/* Returns whether the generation's monitor zygote is from before the last execve(2). */
bool		roles_is_restored(unsigned generation);
void		roles_release(unsigned generation);

/*
 * Requests a monitor from the zygote of a generation. Takes MSG_SPAWN_MONITOR or MSG_SPAWN_PEER
 * with its descriptors. Returns false with errno on failure.
 */
bool	roles_spawn_monitor(unsigned generation, const struct msg *, const int *fds);

/*
 * Kill the gate zygote, or a generation's monitor zygote, if it has unanswered requests. The
 * current zygote is restarted.
 */
void	roles_kill_gate_zygote(void);
void	roles_kill_monitor_zygote(unsigned generation);

/* Returns the number of requests that the zygotes have not answered. */
unsigned	roles_pending(void);

/* Reads all messages of a process. Takes the index of its event. */
void	roles_receive(uint32_t index);

/* Handles the end of a child. Returns false if the child is none of these processes. */
bool	roles_ended(pid_t, int status);

/* Returns whether this process is a zygote or signer. */
bool	roles_has_pid(pid_t);

/* Kills a signer that does not answer. Call it every second or so while there are connections. */
void	roles_check_signer(void);

/*
 * roles_due() returns when roles_tick() must be called (clock_ms()), 0: not at all. roles_tick()
 * restarts missing processes, ends the wait for a renewal, and abandons one that takes too long.
 */
int64_t	roles_due(void);
void	roles_tick(void);

/* Returns whether there is room for one more generation. */
bool	roles_has_room(void);

/*
 * Writes the monitor zygotes that connections still need into text, for roles_begin() of the next
 * image, and makes their descriptors survive execve(2). If keep is false, makes them close-on-exec
 * again.
 */
void	roles_keep_on_exec(char *text, size_t size, bool keep);

#endif
