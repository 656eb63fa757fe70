#ifndef IMAPGATE_CHECK_FINDING_H
#define IMAPGATE_CHECK_FINDING_H

/* What --check has found: one line each on standard output, and how bad the worst of them is. */

enum finding_kind {
	FINDING_NOTE = -1,	/* worth knowing; the exit status stays as it is */
	FINDING_OK,
	FINDING_WARNING,	/* logins may fail, or are not as safe as they could be */
	FINDING_ERROR,		/* logins will fail */
};

/* Prints a finding about a subject, which may be cut and has no control characters. It says how to mend it, too. */
void	finding_report(enum finding_kind, const char *subject, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Prints a line that belongs to the finding before it. */
void	finding_detail(const char *text);

/* The worst kind until now, which is the exit status of --check. */
enum finding_kind	finding_worst(void);

#endif
