#ifndef IMAPGATE_LISTENER_SERVE_H
#define IMAPGATE_LISTENER_SERVE_H

/*
 * One connection's life, from accept(2) to the end of its last process: what
 * gate and monitor say to the listener, and what comes of it. Nothing here
 * waits, and nothing that goes wrong with one connection is another's fault.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "listener/connections.h"
#include "listener/roles.h"
#include "config/options.h"

/* What roles.h has to be given (struct roles_callbacks). */
void	serve_spawned(const struct msg_spawned *, bool monitor);
void	serve_zygote_ended(bool monitor, unsigned generation);
void	serve_signing(const struct msg *);

/* Goes on with the connections of the image before this one. */
void	serve_resume(void);

/* A connection was accepted, and has found its place: the descriptor is its from now on. */
void	serve_accepted(struct connection *, bool imaps, int fd, const struct sockaddr_storage *from);

/* A gate, or a monitor, has said something, by the connection's slot. */
void	serve_login(uint32_t slot);
void	serve_account(uint32_t slot);

/* A child has ended: returns false if it is no connection's. */
bool	serve_ended(pid_t, int status);

/* The service stops: who is not logged in shall go. */
void	serve_shut_down_all(void);

/* Ends what has overstayed. To be called every second or so. */
void	serve_check_deadlines(void);

#endif
