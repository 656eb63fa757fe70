#ifndef IMAPGATE_MONITOR_CLIENT_H
#define IMAPGATE_MONITOR_CLIENT_H

/*
 * Where the client's connection is in a process that asks PAM.
 *
 * SECURITY: modules start programs, which inherit descriptors 0 to 2. None of
 * them may read what the client sends, nor write into its connection.
 */

struct client {
	int	in, out;	/* high and close-on-exec */
};

/* Moves the client from descriptors 0 and 1 to high ones, and puts /dev/null there. Dies if that can't be done. */
void	client_detach(struct client *);

/* Puts it back. Call it when PAM has done its part. */
void	client_attach(struct client *);

/* Puts these in the client's place on descriptors 0 and 1, and closes the client's own. */
void	client_replace(struct client *, int in, int out);

#endif
