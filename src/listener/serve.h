#ifndef IMAPGATE_LISTENER_SERVE_H
#define IMAPGATE_LISTENER_SERVE_H

/*
 * The life of a connection, from accept(2) to the end of its last process. Nothing here waits,
 * and a fault with one connection does not affect another.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "config/options.h"
#include "listener/connections.h"
#include "listener/roles.h"

/* Callbacks for roles.h (struct roles_callbacks). */
bool	serve_spawned(const struct msg_spawned *, bool monitor);
void	serve_zygote_ended(bool monitor, unsigned generation);
void	serve_log_message(const struct msg *);

/*
 * Resumes the connections that the listener had before it re-executed itself. Dies if one can't be
 * watched.
 */
void	serve_resume(void);

/*
 * Begins to serve a reserved connection, which owns the descriptor from now on. Takes the
 * client's address from accept(2).
 */
void	serve_accepted(struct connection *, bool imaps, int fd, const struct sockaddr_storage *from);

/* Read one message of a gate, or of a monitor. Take the connection's slot. */
void	serve_login(uint32_t slot);
void	serve_account(uint32_t slot);

/*
 * Handles the end of a child. Takes its status as from waitpid(2). Returns false if the child is
 * no connection's.
 */
bool	serve_ended(pid_t, int status);

/* Stops all connections before login, when the service stops. */
void	serve_shut_down_all(void);

/* Kills processes whose deadline has passed. Call it about once a second. */
void	serve_check_deadlines(void);

#endif
