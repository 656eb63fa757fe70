#ifndef IMAPGATE_CHECK_SUGGEST_H
#define IMAPGATE_CHECK_SUGGEST_H

/* The options that follow from a mailbox program's first words: --handoff, --capability-after and --capability. */

#include <stdbool.h>

#include "config/options.h"

/* The most of a list of capabilities that is kept, in octets. */
#define PROBE_LIST_MAX	2048

/* A program's own words, as --probe has heard them. */
struct probe_words {
	bool	tag;			/* it answered the login; or it greets */
	bool	announced;		/* it said by itself, behind the login, what it can do */
	bool	answered;		/* a list came, be it an empty one */
	char	list[PROBE_LIST_MAX];	/* what it can do, "" until it was heard */
};

/* For --probe: prints the options, one a line, and a finding if there should be more. */
void	suggest_options(const struct options *, const struct probe_words *);

/* For --check --probe: prints findings about the options that are set. */
void	suggest_changes(const struct options *, const struct probe_words *);

#endif
