#ifndef IMAPGATE_MONITOR_CLIENT_H
#define IMAPGATE_MONITOR_CLIENT_H

/*
 * The client's descriptors in a process that calls PAM.
 *
 * SECURITY: programs that modules start inherit descriptors 0 to 2. None of them may read the
 * client's input or write to its connection.
 */

struct client {
	int	in, out;	/* high numbers, close-on-exec */
};

/*
 * Moves the client from descriptors 0 and 1 to high numbers, and opens /dev/null instead. Dies
 * on failure.
 */
void	client_detach(struct client *);

/*
 * Moves the client back to descriptors 0 and 1. Call it after the last call of PAM. Dies on
 * failure.
 */
void	client_attach(struct client *);

/* Puts in and out on descriptors 0 and 1 instead, and closes the client's own. Dies on failure. */
void	client_replace(struct client *, int in, int out);

#endif
