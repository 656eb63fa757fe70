#ifndef IMAPGATE_CHECK_SUGGEST_H
#define IMAPGATE_CHECK_SUGGEST_H

/*
 * Options that follow from a mailbox program's first replies: --handoff, --capability-after and
 * --capability.
 */

#include <stdbool.h>

#include "config/options.h"

/* Octets of a capability list that are kept. */
#define PROBE_LIST_MAX	2048

/* Results of --probe. */
struct probe_result {
	bool	tag;			/* it answered the login with the tag; else it greeted */
	bool	announced;		/* it listed capabilities without being asked */
	bool	answered;		/* it sent a list, perhaps an empty one */
	char	list[PROBE_LIST_MAX];	/* its capabilities; "" before its first list */
};

/* For --probe: prints the options, one per line, and a finding if the capabilities are unknown. */
void	suggest_options(const struct options *, const struct probe_result *);

/* For --check --probe: prints findings about the options that are set. */
void	suggest_changes(const struct options *, const struct probe_result *);

#endif
