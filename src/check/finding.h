#ifndef IMAPGATE_CHECK_FINDING_H
#define IMAPGATE_CHECK_FINDING_H

/* Findings of --check: one line each on standard output, and the worst kind of all. */

enum finding_kind {
	FINDING_NOTE = -1,	/* for information; does not change the exit status */
	FINDING_OK,
	FINDING_WARNING,	/* logins may fail, or are less safe than they could be */
	FINDING_ERROR,		/* logins will fail */
};

/*
 * Prints a finding about a subject, with a remedy. Long text is cut, and control characters (C0
 * and DEL) become "?".
 */
void	finding_report(enum finding_kind, const char *subject, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Prints a line that belongs to the last finding. */
void	finding_detail(const char *text);

/* Returns the worst kind so far, which is the exit status of --check. */
enum finding_kind	finding_worst(void);

#endif
