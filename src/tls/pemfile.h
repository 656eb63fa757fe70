#ifndef IMAPGATE_PEMFILE_H
#define IMAPGATE_PEMFILE_H

#include <stddef.h>

/* The thing that a PEM file (RFC 7468) was expected to hold. */
enum pemfile_kind {
	PEMFILE_CERTIFICATE,
	PEMFILE_KEY,
	PEMFILE_REVOCATIONS,
};

/*
 * Explains why OpenSSL has not found it in this text, for the mistakes that
 * administrators make: another thing is in the file, or two parts of it were
 * joined without a line end. Takes the length in octets. Returns words that
 * fit behind the file's name and a colon, NULL if it knows no better.
 */
const char	*pemfile_explain(enum pemfile_kind, const char *text, size_t len);

/*
 * The same for a file, also for one that can't be read: a directory, for
 * instance. At most its first 64 KB are looked at. The words stay until the
 * next call.
 */
const char	*pemfile_explain_file(enum pemfile_kind, const char *path);

#endif
